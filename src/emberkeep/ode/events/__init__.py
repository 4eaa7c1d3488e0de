"""Events: what users say of them, what is compiled of that, and what comes out."""
