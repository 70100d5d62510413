-- inverted file access methods

--@for AM | WHAT
--@in ivfflat | ivfflat index access method
--@in ivfpq | inverted file with product quantization
--@in ivfrabitq | inverted file with RaBitQ codes
CREATE FUNCTION {AM}handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE ACCESS METHOD {AM} TYPE INDEX HANDLER {AM}handler;

COMMENT ON ACCESS METHOD {AM} IS '{WHAT}';

--@end
--@for T
--@in halfvec
--@in bit
CREATE FUNCTION ivfflat_{T}_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;

--@end
-- ivfflat operator classes
--@# Functions 3 and 4 are those of pgvector's k-means, which a database made with
--@# it has; the inverted files here ask for the first two and the fifth only.

--@for T | NORM | DEFAULT | SUPPORT
--@in vector | vector_norm | DEFAULT FOR |
--@in halfvec | l2_norm | FOR | , FUNCTION 5 ivfflat_halfvec_support(internal)
--@for METRIC | FOR | OP | FUNCTIONS
--@in l2 | {DEFAULT} | - | FUNCTION 1 {T}_l2_squared_distance({T}, {T}), FUNCTION 3 l2_distance({T}, {T})
--@in ip | FOR | # | FUNCTION 1 {T}_negative_inner_product({T}, {T}), FUNCTION 3 {T}_spherical_distance({T}, {T}), FUNCTION 4 {NORM}({T})
--@in cosine | FOR | = | FUNCTION 1 {T}_negative_inner_product({T}, {T}), FUNCTION 2 {NORM}({T}), FUNCTION 3 {T}_spherical_distance({T}, {T}), FUNCTION 4 {NORM}({T})
--@in l1 | FOR | + | FUNCTION 1 l1_distance({T}, {T})
CREATE OPERATOR CLASS {T}_{METRIC}_ops
	{FOR} TYPE {T} USING ivfflat AS
	OPERATOR 1 <{OP}> ({T}, {T}) FOR ORDER BY float_ops,
	OPERATOR 2 <<{OP}>> ({T}, sphere_{T}),
	{FUNCTIONS}{SUPPORT};

--@end
--@end
CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING ivfflat AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	OPERATOR 2 <<~>> (bit, sphere_bit),
	FUNCTION 1 hamming_distance(bit, bit),
	FUNCTION 3 hamming_distance(bit, bit),
	FUNCTION 5 ivfflat_bit_support(internal);

--@for AM
--@in ivfpq
--@in ivfrabitq
-- {AM} operator classes

--@for T | NORM | DEFAULT | SUPPORT
--@in vector | vector_norm | DEFAULT FOR |
--@in halfvec | l2_norm | FOR | , FUNCTION 5 ivfflat_halfvec_support(internal)
--@for METRIC | FOR | OP | FUNCTIONS
--@in l2 | {DEFAULT} | - | FUNCTION 1 {T}_l2_squared_distance({T}, {T})
--@in ip | FOR | # | FUNCTION 1 {T}_negative_inner_product({T}, {T})
--@in cosine | FOR | = | FUNCTION 1 {T}_negative_inner_product({T}, {T}), FUNCTION 2 {NORM}({T})
CREATE OPERATOR CLASS {T}_{METRIC}_ops
	{FOR} TYPE {T} USING {AM} AS
	OPERATOR 1 <{OP}> ({T}, {T}) FOR ORDER BY float_ops,
	OPERATOR 2 <<{OP}>> ({T}, sphere_{T}),
	{FUNCTIONS}{SUPPORT};

--@end
--@end
--@end
--@since 1.1.0
-- inverted files of arrays: an entry for each vector, in the order of MaxSim

--@for T
--@in vector
--@in halfvec
CREATE FUNCTION ivf_{T}_array_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;

--@for AM
--@in ivfflat
--@in ivfpq
--@in ivfrabitq
CREATE OPERATOR CLASS {T}_maxsim_ops
	FOR TYPE {T}[] USING {AM} AS
	OPERATOR 1 @# ({T}[], {T}[]) FOR ORDER BY float_ops,
	FUNCTION 1 {T}_negative_inner_product({T}, {T}),
	FUNCTION 5 ivf_{T}_array_support(internal);

--@end
--@end
--@end
-- inverted file functions

CREATE FUNCTION vector_kmeans(source text, k integer, iterations integer DEFAULT 0, seed integer DEFAULT 0, spherical boolean DEFAULT false,
	OUT id integer, OUT centroid vector, OUT size bigint, OUT error double precision) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION vector_kmeans(text, integer, integer, integer, boolean) IS
	'k-means of the vectors of a table or query: centroids, sizes, mean squared distances';

CREATE FUNCTION ivf_centroids(index regclass, OUT list integer, OUT centroid vector) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

CREATE FUNCTION ivf_drift(index regclass, OUT lists integer, OUT trained boolean, OUT pages bigint,
	OUT built_entries bigint, OUT entries bigint, OUT built_imbalance double precision, OUT imbalance double precision,
	OUT built_error double precision, OUT error double precision) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 1;

CREATE FUNCTION ivf_recall(index regclass, OUT probes integer, OUT recall real) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 24;

--@since 1.1.0
CREATE FUNCTION ivf_rebalance(index regclass, budget bigint DEFAULT 100000, OUT lists integer, OUT replaced integer,
	OUT entries bigint, OUT moved bigint, OUT left_over bigint, OUT pages_freed bigint, OUT waits boolean) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1;

COMMENT ON FUNCTION ivf_rebalance(regclass, bigint) IS
	'Makes lists of an inverted file anew that are too long, too short, or far from their centroids';

--@end
