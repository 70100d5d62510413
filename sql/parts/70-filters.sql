-- filter columns: operator classes of ordinary types
--
-- Further key columns of an index, whose conditions it tests by itself.  The
-- strategies are those of btree; 6 and 7 are for arrays.
--@# A new access method is a row here, a new type another.

--@for AM
--@in hnsw
--@in ivfflat
--@in ivfpq
--@in ivfrabitq
--@in@1.1.0 flat
--@in@1.1.0 sparse_inverted
CREATE OPERATOR FAMILY integer_ops USING {AM};
CREATE OPERATOR FAMILY float_ops USING {AM};
--@for CLASS | TYPE | FAMILY
--@in int2 | int2 | FAMILY integer_ops
--@in int4 | int4 | FAMILY integer_ops
--@in int8 | int8 | FAMILY integer_ops
--@in float4 | float4 | FAMILY float_ops
--@in float8 | float8 | FAMILY float_ops
--@in bool | bool |
--@in char | "char" |
--@in oid | oid |
--@in numeric | numeric |
--@in text | text |
--@in bpchar | bpchar |
--@in bytea | bytea |
--@in uuid | uuid |
--@in money | money |
--@in date | date |
--@in time | time |
--@in timetz | timetz |
--@in timestamp | timestamp |
--@in timestamptz | timestamptz |
--@in interval | interval |
--@in inet | inet |
--@in enum | anyenum |
CREATE OPERATOR CLASS {CLASS}_ops DEFAULT FOR TYPE {TYPE} USING {AM} {FAMILY} AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >;
--@end
--@for FAMILY | X | Y
--@in integer | int2 | int4
--@in integer | int2 | int8
--@in integer | int4 | int2
--@in integer | int4 | int8
--@in integer | int8 | int2
--@in integer | int8 | int4
--@in float | float4 | float8
--@in float | float8 | float4
ALTER OPERATOR FAMILY {FAMILY}_ops USING {AM} ADD
	OPERATOR 1 < ({X}, {Y}), OPERATOR 2 <= ({X}, {Y}), OPERATOR 3 = ({X}, {Y}), OPERATOR 4 >= ({X}, {Y}), OPERATOR 5 > ({X}, {Y});
--@end
CREATE OPERATOR CLASS array_ops DEFAULT FOR TYPE anyarray USING {AM} AS
	OPERATOR 6 && (anyarray, anyarray), OPERATOR 7 @> (anyarray, anyarray);

--@end
