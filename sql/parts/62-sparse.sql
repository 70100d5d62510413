-- sparse_inverted access method

--@since 1.1.0
CREATE FUNCTION sparse_inverted_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE ACCESS METHOD sparse_inverted TYPE INDEX HANDLER sparse_inverted_handler;

COMMENT ON ACCESS METHOD sparse_inverted IS 'inverted index of sparse vectors, exact';

CREATE FUNCTION sparse_inverted_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE OPERATOR CLASS sparsevec_ip_ops
	DEFAULT FOR TYPE sparsevec USING sparse_inverted AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	OPERATOR 2 <<#>> (sparsevec, sphere_sparsevec),
	FUNCTION 1 sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 3 sparse_inverted_support(internal);

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING sparse_inverted AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	OPERATOR 2 <<=>> (sparsevec, sphere_sparsevec),
	FUNCTION 1 sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 2 l2_norm(sparsevec),
	FUNCTION 3 sparse_inverted_support(internal);

CREATE FUNCTION sparse_inverted_flush(index regclass, everything boolean DEFAULT false)
	RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

--@end
