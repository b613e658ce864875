"""How often a scorer is right: labelled texts, and the card that is measured on them."""
