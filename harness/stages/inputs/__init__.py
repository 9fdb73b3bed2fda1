"""What a model is built with and fed with: conditioned weights, and photographs."""
