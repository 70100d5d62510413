-- hnsw access method

CREATE FUNCTION hnswhandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnswhandler;

COMMENT ON ACCESS METHOD hnsw IS 'hnsw index access method';

--@for T
--@in halfvec
--@in bit
--@in sparsevec
CREATE FUNCTION hnsw_{T}_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;

--@end
-- hnsw operator classes

--@for T | NORM | SUPPORT
--@in vector | vector_norm |
--@in halfvec | l2_norm | , FUNCTION 3 hnsw_halfvec_support(internal)
--@in sparsevec | l2_norm | , FUNCTION 3 hnsw_sparsevec_support(internal)
--@for METRIC | OP | FUNCTIONS
--@in l2 | - | FUNCTION 1 {T}_l2_squared_distance({T}, {T})
--@in ip | # | FUNCTION 1 {T}_negative_inner_product({T}, {T})
--@in cosine | = | FUNCTION 1 {T}_negative_inner_product({T}, {T}), FUNCTION 2 {NORM}({T})
--@in l1 | + | FUNCTION 1 l1_distance({T}, {T})
CREATE OPERATOR CLASS {T}_{METRIC}_ops
	FOR TYPE {T} USING hnsw AS
	OPERATOR 1 <{OP}> ({T}, {T}) FOR ORDER BY float_ops,
	OPERATOR 2 <<{OP}>> ({T}, sphere_{T}),
	{FUNCTIONS}{SUPPORT};

--@end
--@end
--@for METRIC | OP
--@in hamming | ~
--@in jaccard | %
CREATE OPERATOR CLASS bit_{METRIC}_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <{OP}> (bit, bit) FOR ORDER BY float_ops,
	OPERATOR 2 <<{OP}>> (bit, sphere_bit),
	FUNCTION 1 {METRIC}_distance(bit, bit),
	FUNCTION 3 hnsw_bit_support(internal);

--@end
