"""Language models behind one protocol (`base.LanguageModel`)."""
