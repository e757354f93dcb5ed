# Two images from one file:
#   server   the control plane alone: no git, no agent
#   runner   the default: the same program with what agents need; `divisi serve` with its embedded runner is this one
#
# The bases are arguments so that they can be pinned by digest, or replaced where no image registry is at hand.
ARG BASE=debian:bookworm-slim
ARG RUST=rust:1.95.0-bookworm
ARG NODE=node:22-bookworm-slim

# -- build: dependencies are a layer of their own, so that a change in src/ costs seconds
FROM ${RUST} AS chef
ARG CHEF_VERSION=0.1.78
RUN cargo install cargo-chef --version "${CHEF_VERSION}" --locked
WORKDIR /src

FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=recipe /src/recipe.json recipe.json
COPY rust-toolchain.toml rust-toolchain.toml
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo chef cook --release --locked --bin divisi --recipe-path recipe.json
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo build --release --locked --bin divisi && cp target/release/divisi /usr/local/bin/divisi

# -- agents: npm is needed to get them and not to run them, so only the native program is taken from here
FROM ${NODE} AS agents
ARG AGENTS="claude"
ARG CLAUDE_VERSION=2.1.197
WORKDIR /agents
RUN mkdir bin && for agent in ${AGENTS}; do \
      case "${agent}" in \
        claude) \
          npm install --no-save --no-package-lock --no-fund --no-audit \
            "@anthropic-ai/claude-code@${CLAUDE_VERSION}" && \
          cp "node_modules/@anthropic-ai/claude-code-linux-$(node -p process.arch)/claude" bin/claude ;; \
        *) echo "unknown agent: ${agent}" >&2; exit 1 ;; \
      esac || exit 1; \
    done && rm -rf node_modules

# -- server
FROM ${BASE} AS server
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin divisi \
    && mkdir /data && chown 10001:10001 /data && chmod 0700 /data
COPY --from=build /usr/local/bin/divisi /usr/local/bin/divisi
ENV DIVISI_LISTEN=0.0.0.0:8080 DIVISI_DATA_DIR=/data DIVISI_RUNNER__EMBEDDED=false
WORKDIR /data
VOLUME /data
EXPOSE 8080
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["divisi", "healthcheck"]
ENTRYPOINT ["divisi"]
CMD ["serve"]

# -- runner
FROM server AS runner
ENV DIVISI_RUNNER__EMBEDDED=true
USER root
RUN apt-get update && apt-get install -y --no-install-recommends \
      bubblewrap git jq openssh-client ripgrep tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=agents /agents/bin/ /usr/local/bin/
USER 10001:10001
# Agents leave orphans behind; tini reaps those that reach it.
ENTRYPOINT ["tini", "--", "divisi"]
CMD ["serve"]
