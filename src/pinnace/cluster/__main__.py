"""`python -m pinnace.cluster server ...`."""

from pinnace.cluster.commands import main

raise SystemExit(main())
