# Images with the extension, made from these sources on the official image of
# PostgreSQL (docs/install.md):
#
#   docker build -t vector .				PostgreSQL with the extension
#   docker build -t vector-files --target files .	the files alone, for a volume
#
# PG_MAJOR picks the version of PostgreSQL, DEBIAN the release it stands on.

ARG PG_MAJOR=18
ARG DEBIAN=bookworm

FROM postgres:${PG_MAJOR}-${DEBIAN} AS build
ARG PG_MAJOR
# The headers must be those of the server in the image: its own repository has
# them, and no older version of them to pin.
# hadolint ignore=DL3008
RUN apt-get update \
	&& apt-get install -y --no-install-recommends \
		gcc \
		libc6-dev \
		make \
		"postgresql-server-dev-${PG_MAJOR}" \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /usr/src/vector
COPY . .
RUN make -j"$(nproc)" PG_CONFIG="/usr/lib/postgresql/${PG_MAJOR}/bin/pg_config" \
	&& make install PG_CONFIG="/usr/lib/postgresql/${PG_MAJOR}/bin/pg_config" DESTDIR=/out \
	&& mkdir -p /files/lib /files/share/extension /files/licenses \
	&& cp "/out/usr/lib/postgresql/${PG_MAJOR}/lib/vector.so" /files/lib/ \
	&& cp "/out/usr/share/postgresql/${PG_MAJOR}/extension/"vector* /files/share/extension/ \
	&& cp LICENSE /files/licenses/vector

# Library and scripts in the places where CloudNativePG looks for them in a
# volume that is an image.
FROM scratch AS files
COPY --from=build /files/ /
USER 65532:65532

# The official image runs as root until its entry point has prepared the data
# folder, and as postgres from then on; that stays so.
FROM postgres:${PG_MAJOR}-${DEBIAN}
# hadolint ignore=DL3008
RUN apt-get update \
	&& apt-get install -y --no-install-recommends libopenblas0-serial \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/ /usr/
