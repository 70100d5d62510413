-- operators of distances

--@for T
--@in vector
--@in halfvec
--@in sparsevec
--@for OP | F
--@in <-> | l2_distance
--@in <#> | {T}_negative_inner_product
--@in <=> | cosine_distance
--@in <+> | l1_distance
CREATE OPERATOR {OP} (
	LEFTARG = {T}, RIGHTARG = {T}, FUNCTION = {F},
	COMMUTATOR = {OP}
);

--@end
--@end
--@for OP | F
--@in <~> | hamming_distance
--@in <%> | jaccard_distance
CREATE OPERATOR {OP} (
	LEFTARG = bit, RIGHTARG = bit, FUNCTION = {F},
	COMMUTATOR = {OP}
);

--@end
--@for T
--@in vector
--@in halfvec
-- {T}: operators of arithmetic

CREATE OPERATOR + (
	LEFTARG = {T}, RIGHTARG = {T}, FUNCTION = {T}_add,
	COMMUTATOR = +
);

CREATE OPERATOR - (
	LEFTARG = {T}, RIGHTARG = {T}, FUNCTION = {T}_sub
);

CREATE OPERATOR * (
	LEFTARG = {T}, RIGHTARG = {T}, FUNCTION = {T}_mul,
	COMMUTATOR = *
);

CREATE OPERATOR || (
	LEFTARG = {T}, RIGHTARG = {T}, FUNCTION = {T}_concat
);

--@end
--@for T
--@in vector
--@in halfvec
--@in sparsevec
-- {T}: operators of order and equality, their btree and hash operator classes

--@for OP | F | COMMUTATOR | NEGATOR | SELECTIVITY | MORE
--@in <  | lt | >  | >= | scalarlt |
--@in <= | le | >= | >  | scalarle |
--@in =  | eq | =  | <> | eq | , HASHES, MERGES
--@in <> | ne | <> | =  | eq |
--@in >= | ge | <= | <  | scalarge |
--@in >  | gt | <  | <= | scalargt |
CREATE OPERATOR {OP} (
	LEFTARG = {T}, RIGHTARG = {T}, FUNCTION = {T}_{F},
	COMMUTATOR = {COMMUTATOR}, NEGATOR = {NEGATOR},
	RESTRICT = {SELECTIVITY}sel, JOIN = {SELECTIVITY}joinsel{MORE}
);

--@end
CREATE OPERATOR CLASS {T}_ops
	DEFAULT FOR TYPE {T} USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 {T}_cmp({T}, {T});

CREATE OPERATOR CLASS {T}_ops
	DEFAULT FOR TYPE {T} USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 {T}_hash({T}),
	FUNCTION 2 {T}_hash_extended({T}, bigint);

--@end
