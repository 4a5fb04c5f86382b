"""The end of the pipeline: one file per verb, and one for the paths that name no resource."""
