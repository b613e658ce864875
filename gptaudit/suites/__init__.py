"""What a suite file of each kind holds; `gptaudit.suite.load_suite` reads them."""
