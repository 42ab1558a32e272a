"""Phone companies, one folder each; `registry` alone knows them all."""
