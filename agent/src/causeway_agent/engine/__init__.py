"""Order and time: reconcile, journal, changes, supervision. States its needs as Protocols (`ports`)."""
