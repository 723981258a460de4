# One static binary and the CA certificates it trusts; for the runtime and for the operator.
# The build context holds both files: tests/cluster/image prepares it.
FROM scratch
ARG BINARY
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY ${BINARY} /albatross
USER 65532:65532
ENTRYPOINT ["/albatross"]
