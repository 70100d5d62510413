-- Arithmetic, shape, distances beyond what behaviour.sql replays
SELECT '[65504,1]'::halfvec - '[-65504,1]';
SELECT '[6e-8]'::halfvec * '[0.1]';
SELECT '[0,0]'::halfvec * '[0,5]', '[0]'::vector * '[1e-38]';
SELECT '[1,2]'::halfvec - '[1]';
SELECT '[1,2]'::halfvec * '[1]';
SELECT '[1,2]'::halfvec + '[1]';
SELECT array_fill(0, ARRAY[16000])::halfvec || '[1]';
SELECT subvector('[1,2,3]'::halfvec, 2147483647, 2147483647);
SELECT subvector('[1,2,3]'::halfvec, -2147483648, 2147483647);
SELECT subvector('[1,2,3]'::halfvec, 0, 2147483647);
SELECT subvector('[1,2,3]'::vector, 2, -2147483648);
SELECT vector_dims('[1,2]'::halfvec), l2_norm('{1:3,9:4}/9'::sparsevec), l2_norm('[3,4]'::halfvec);
SELECT l2_normalize('[1e-45]'::vector), l2_normalize('[6e-8,0]'::halfvec), l2_normalize('{1:1e-45}/3'::sparsevec);
SELECT l2_normalize('{1:1e-45,2:3e38}/3'::sparsevec);
SELECT binary_quantize('[-0,0,1e-45,-1e-45]'::vector), binary_quantize('[1,-1,1,-1,1,-1,1,-1,1]'::halfvec);
SELECT vector_l2_squared_distance('[0,0]', '[3,4]'), halfvec_l2_squared_distance('[0,0]', '[3,4]'), sparsevec_l2_squared_distance('{}/2', '{1:3,2:4}/2');
SELECT vector_negative_inner_product('[1,2]', '[3,4]'), halfvec_negative_inner_product('[1,2]', '[3,4]'), sparsevec_negative_inner_product('{1:1,2:2}/2', '{1:3}/2');
SELECT vector_spherical_distance('[1,0]', '[0,1]'), vector_spherical_distance('[1,0]', '[-2,0]'), halfvec_spherical_distance('[1,0]', '[1,0]');
SELECT vector_spherical_distance('[1,0]', '[1]');
SELECT '{1:1}/2'::sparsevec <=> '{1:1}/3';
SELECT '{1:1}/2'::sparsevec <+> '{1:1}/3';
SELECT '{1:3e38}/1'::sparsevec <-> '{1:-3e38}/1', '{1:3e38}/1'::sparsevec <=> '{1:3e38}/1';
SELECT '[1,2]'::halfvec <#> '[3,4]', '[1,0]'::halfvec <=> '[0,1]', '[1,2]'::halfvec <+> '[3,5]', '[1,2]'::halfvec <-> '[1,2]';
SELECT B'1010' <~> B'0110', B'1010' <%> B'0110', B'0' <%> B'0';
SELECT hamming_distance(repeat('10', 5000)::bit(10000), repeat('01', 5000)::bit(10000)), jaccard_distance(repeat('1100', 333)::bit(1332), repeat('0110', 333)::bit(1332));

-- null in, null out
SELECT '[1]'::vector <-> NULL, l2_normalize(NULL::vector), NULL::vector::halfvec, avg(NULL::vector) OVER ();

-- every instruction set that this machine has gives the same answers
CREATE FUNCTION at_level(level text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('vector.simd', level, true);
	RETURN (
		SELECT string_agg(format('%s %s %s %s | %s %s | %s', round((a <-> b)::numeric, 2), round((a <#> b)::numeric, 2), round((a <=> b)::numeric, 3), round((a <+> b)::numeric, 2),
			round((a::halfvec <-> b::halfvec)::numeric, 2), round((a::halfvec <=> b::halfvec)::numeric, 3), binary_quantize(a) <~> binary_quantize(b)), E'\n' ORDER BY n)
		FROM (SELECT n, array_agg(sin(i))::vector AS a, array_agg(cos(i * 1.7))::vector AS b
			FROM unnest(ARRAY[1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 768, 1536]) n, generate_series(1, n) i GROUP BY n) x);
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN 'unsupported here';
END $$;
SELECT at_level('scalar');
SELECT count(*) AS different FROM unnest('{auto,neon,avx2,avx512}'::text[]) level, at_level(level) r
WHERE r <> 'unsupported here' AND r <> at_level('scalar');
SET vector.simd = 'sse2';
SET vector.simd = 'scalar';
SHOW vector.simd;
RESET vector.simd;
SELECT current_setting('vector.simd') IN ('scalar', 'neon', 'avx2', 'avx512') AS chosen;
