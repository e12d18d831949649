"""`python -m ndcore`."""

from ndcore.cli import main

raise SystemExit(main())
