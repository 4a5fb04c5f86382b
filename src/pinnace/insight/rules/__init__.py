"""One file per broken link: functions from an object and the world around it to findings."""
