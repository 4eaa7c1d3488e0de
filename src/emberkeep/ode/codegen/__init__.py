"""From a plan to readable source: one intermediate form, two layouts."""
