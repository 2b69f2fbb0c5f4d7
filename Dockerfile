# syntax=docker/dockerfile:1
# A static binary in an image with nothing else: no shell, no package manager, not root.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools cmake && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY src src
COPY profiles profiles
RUN cargo build --locked --release --target "$(uname -m)-unknown-linux-musl" \
 && install -D "target/$(uname -m)-unknown-linux-musl/release/chaosproxy" /out/chaosproxy

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/chaosproxy /usr/local/bin/chaosproxy
COPY profiles /usr/share/chaosproxy/profiles
USER nonroot
# 8080 is the usual listener; 8474 the admin API, bound to loopback unless the document names a tokens file.
EXPOSE 8080 8474
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s CMD ["/usr/local/bin/chaosproxy", "status", "--ready"]
ENTRYPOINT ["/usr/local/bin/chaosproxy"]
CMD ["run", "--config", "/etc/chaosproxy/chaosproxy.yaml"]
