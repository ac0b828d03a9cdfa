//! YAML files of users: strict loading with errors that name file, line and column.
