"""The runbooks: a module a subject, or a package where a subject is large."""
