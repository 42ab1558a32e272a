"""The whole program under bad weather: floods from strangers, and carriers that fail all the time.

python -m tests.load.driver flood [--behind-tunnel]
python -m tests.load.driver soak [--calls N] [--carriers twilio,mock] [--seed N]
"""
