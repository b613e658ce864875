"""`python -m gptaudit_toxicity_training --data DIR --out DIR`."""

from gptaudit_toxicity_training.training import main

if __name__ == "__main__":
    main()
