--@since 1.1.0
-- late interaction: arrays of vectors, compared by MaxSim

--@for T
--@in vector
--@in halfvec
CREATE FUNCTION max_sim(document {T}[], query {T}[]) RETURNS double precision
	AS 'MODULE_PATHNAME', '{T}_max_sim' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4000;

CREATE FUNCTION max_sim_distance(document {T}[], query {T}[]) RETURNS double precision
	AS 'MODULE_PATHNAME', '{T}_max_sim_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4000;

CREATE OPERATOR @# (
	LEFTARG = {T}[], RIGHTARG = {T}[], FUNCTION = max_sim_distance
);

--@end
--@end
