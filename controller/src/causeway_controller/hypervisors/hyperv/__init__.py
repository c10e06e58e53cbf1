"""Hyper-V hosts, commanded over PowerShell remoting by cmdlets, never by script text; files go by SMB 3."""
