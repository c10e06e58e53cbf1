"""Documents of the controller's own interface. They rest on `wire` and on nothing of the controller."""
