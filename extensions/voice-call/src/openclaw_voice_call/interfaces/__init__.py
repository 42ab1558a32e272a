"""What the replaceable parts offer: carriers, the journal, exposure. No implementation here."""
