--@since 1.1.0
-- flat: exact, by codes with proven errors

CREATE FUNCTION flat_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE ACCESS METHOD flat TYPE INDEX HANDLER flat_handler;

COMMENT ON ACCESS METHOD flat IS 'exact search by codes of 8 bits a dimension';

--@for T | NORM | DEFAULT | SUPPORT
--@in vector | vector_norm | DEFAULT FOR |
--@in halfvec | l2_norm | DEFAULT FOR | , FUNCTION 5 ivfflat_halfvec_support(internal)
--@for METRIC | FOR | OP | FUNCTIONS
--@in l2 | {DEFAULT} | - | FUNCTION 1 {T}_l2_squared_distance({T}, {T})
--@in ip | FOR | # | FUNCTION 1 {T}_negative_inner_product({T}, {T})
--@in cosine | FOR | = | FUNCTION 1 {T}_negative_inner_product({T}, {T}), FUNCTION 2 {NORM}({T})
CREATE OPERATOR CLASS {T}_{METRIC}_ops
	{FOR} TYPE {T} USING flat AS
	OPERATOR 1 <{OP}> ({T}, {T}) FOR ORDER BY float_ops,
	OPERATOR 2 <<{OP}>> ({T}, sphere_{T}),
	{FUNCTIONS}{SUPPORT};

--@end
--@end
--@end
