module albatross.aero/prometheus

go 1.25.0

// Its custom resource definitions; nothing of it is compiled.
require github.com/prometheus-operator/prometheus-operator v0.85.0
