# syntax=docker/dockerfile:1
# The binary on glibc and nothing else: no shell, no package manager, not root. It is the target that CI builds and tests;
# a static one would be another.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
# rust-toolchain.toml stays outside: the image is the pinned toolchain, and needs neither clippy nor rustfmt.
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY profiles profiles
# aws-lc and mimalloc are C: they need the image's gcc, and neither cmake nor clang (their bindings come with the crates).
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release && install -D target/release/chaosproxy /out/chaosproxy

# The same Debian as above, so that the glibc is the same.
FROM gcr.io/distroless/cc-debian12:nonroot AS binary
COPY --from=build /out/chaosproxy /usr/local/bin/chaosproxy
# By number: Kubernetes cannot prove of a name that it is not root.
USER 65532:65532

# `docker build --target toxiproxy -t chaosproxy:toxiproxy .`: takes the place of Toxiproxy's image, arguments included.
FROM binary AS toxiproxy
EXPOSE 8474
ENTRYPOINT ["/usr/local/bin/chaosproxy", "toxiproxy"]
CMD ["-host=0.0.0.0"]

FROM binary AS chaosproxy
# The shipped profiles are in the binary (`chaosproxy profiles`); these are for reading and for copying from.
COPY profiles /usr/share/chaosproxy/profiles
# 8080 is the usual listener; 8474 the admin API, on loopback unless the document names a tokens file.
EXPOSE 8080 8474
# `/readyz` says "I can forward", whatever is broken on purpose: a drill never has its own proxy restarted.
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s CMD ["/usr/local/bin/chaosproxy", "status", "--ready"]
ENTRYPOINT ["/usr/local/bin/chaosproxy"]
CMD ["run", "--config", "/etc/chaosproxy/chaosproxy.yaml"]
