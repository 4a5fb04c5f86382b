"""`python -m pinnace.cluster FLAGS`: one server process."""

from pinnace.cluster.commands import main

raise SystemExit(main())
