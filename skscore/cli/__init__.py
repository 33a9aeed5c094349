"""The command line: tables and models in files, one command for each job."""
