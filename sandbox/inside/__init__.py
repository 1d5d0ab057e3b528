"""The zygote's and the children's side. Nothing here is imported by the process that uses the sandbox."""
