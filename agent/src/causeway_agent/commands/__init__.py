"""What an engineer types on the appliance. Works with the agent alive or dead, and says which it is."""
