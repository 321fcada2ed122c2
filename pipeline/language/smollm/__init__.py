"""The pocket language model: SmolLM2-135M-Instruct on the CPU."""
