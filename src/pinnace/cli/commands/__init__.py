"""The commands, one file a family; each exports `Command` values that the table in `pinnace.cli.main` names."""
