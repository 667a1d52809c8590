# syntax=docker/dockerfile:1

# One process, no shell around it, uid 64080, nothing to write but its admin socket:
#
#   docker build -t spliceway:0.1.0 .
#   docker run --read-only --tmpfs /run/spliceway:uid=64080,gid=64080,mode=0700 \
#     -v /etc/spliceway:/etc/spliceway:ro -p 80:80 -p 443:443 spliceway:0.1.0
#
# Two copies of Node. The one that runs the program carries the capability to bind low ports. The container must have
# NET_BIND_SERVICE in its bounding set (Docker's default; in Kubernetes add it): without it the kernel refuses to start such a
# file ("operation not permitted"), whatever its ports are. Probes and everything else use the plain one, which needs nothing,
# by the launcher bin/spliceway; where the capability cannot be had and ports are high, so may the program: --entrypoint
# spliceway.

# Debian's glibc, and the one library that Node needs and a slim image has not. Tags that move: a rebuild brings the
# distribution's security fixes. The program's own packages are fixed by package-lock.json.
FROM debian:trixie-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/*

# Only its npm is used. The Node that runs the program is a package like the others.
FROM node:24-trixie-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -r node_modules/node-linux-*/include node_modules/node-linux-*/share \
 && mkdir /artifacts \
 && ln node_modules/node-linux-*/bin/node /artifacts/node

# Modules stripped of types and compiled ahead: a start, and each exec probe, takes half the time. The cache's folder is
# named after Node, the CPU's features and the uid, so it is filled as the uid that reads it; on another kind of CPU it is
# passed over. The endpoint that is probed is the program itself, so that the modules of probes and metrics are in it.
FROM base AS warm
WORKDIR /app
COPY --from=modules /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY src ./src
RUN chmod 755 bin/spliceway \
 && install -d -o 64080 -g 64080 .cache \
 && install -d -o 64080 -g 64080 -m 700 /run/spliceway
USER 64080:64080
ENV NODE_COMPILE_CACHE=/app/.cache RUNTIME_DIRECTORY=/run/spliceway
RUN printf '%s\n' \
      'listeners: [{ name: warm, listen: "127.0.0.1:0", pool: self }]' \
      'pools: { self: { endpoints: ["127.0.0.1:9981"], health: { http: { path: /metrics }, interval: 100ms, rise: 1 } } }' \
      'drain: { notReadyDelay: 0s, window: 0s, deadline: 1s }' \
      > .cache/warm.yaml \
 && (timeout 300 bin/spliceway run -c .cache/warm.yaml & pid=$!; \
     until bin/spliceway status | grep 'http: status 200'; do kill -0 $pid || exit 1; sleep 0.1; done; \
     bin/spliceway ready && bin/spliceway drain && wait $pid) \
 && rm .cache/warm.yaml \
 && chmod -R a+rX .cache

FROM base
COPY --from=modules /artifacts/node /usr/local/bin/spliceway-node
# For pools with `transparent: on`: --build-arg CAPABILITIES=cap_net_bind_service,cap_net_raw. Where one of them is not in the
# bounding set, the kernel refuses to start the file at all.
ARG CAPABILITIES=cap_net_bind_service
# The capability is set here, in the last stage: not every builder copies a file's attributes with it.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libcap2-bin \
 && setcap ${CAPABILITIES}=+ep /usr/local/bin/spliceway-node \
 && apt-get purge -y --auto-remove libcap2-bin \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd -g 64080 spliceway \
 && useradd -u 64080 -g 64080 -M -d /nonexistent -s /usr/sbin/nologin spliceway \
 && install -d -o 64080 -g 64080 -m 700 /run/spliceway \
 && ln -s /app/bin/spliceway /usr/local/bin/spliceway
# Owned by root: the process cannot change what it runs.
COPY --from=warm --chown=0:0 /app /app

LABEL org.opencontainers.image.title="spliceway" \
      org.opencontainers.image.description="A user-space TCP port forwarder and edge proxy" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_COMPILE_CACHE=/app/.cache RUNTIME_DIRECTORY=/run/spliceway
WORKDIR /app
# Never change the uid: processes of two uids cannot share a port with SO_REUSEPORT.
USER 64080:64080
EXPOSE 80/tcp 443/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
# Node itself is process 1: a wrapper's exec would empty the capability sets under no_new_privs.
ENTRYPOINT ["/usr/local/bin/spliceway-node", "--disable-sigusr1", "/app/src/cli.mjs"]
CMD ["run"]
