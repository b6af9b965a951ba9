"""The sections of a report; a new file here that registers a section is enough to add one."""
