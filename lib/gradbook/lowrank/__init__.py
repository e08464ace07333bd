"""Part IV: convolutions with fewer weights, the networks they go into, what they cost, and how they are trained."""
