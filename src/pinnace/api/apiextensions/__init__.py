"""CustomResourceDefinitions, and how the objects that they define are judged."""
