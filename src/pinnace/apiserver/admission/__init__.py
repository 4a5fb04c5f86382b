"""Admission: plugins that change or refuse a write after authorization and before validation; one file each."""
