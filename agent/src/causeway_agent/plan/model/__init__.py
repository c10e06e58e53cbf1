"""What plans speak about: kernel objects, the packet policy, processes, path sizes, targets."""
