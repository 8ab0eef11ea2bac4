"""The runbooks, a module a subject; other modules here hold what several subjects share."""
