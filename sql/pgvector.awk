# Make the script that updates a database of pgvector to this extension, or the
# one that goes back, from pgvector's catalog and our install script.
#
#   awk -v from=0.7.4 -v to=1.1.0 -v comment=... -f sql/pgvector.awk CATALOG INSTALL
#   awk -v back=1 -v from=1.1.0 -v to=0.7.4 -v comment=... -f sql/pgvector.awk CATALOG INSTALL
#
# CATALOG is what pgvector's releases create (sql/pgvector.tsv: first and last
# release, kind, name, properties), INSTALL the install script of this version;
# comment is the one of the extension. Statement by
# statement of INSTALL: what pgvector does not have is created as it is there; what
# pgvector has is given the properties that it has there. On the way back, what
# pgvector has gets its properties again, and all else is dropped, the last
# object first: whatever a table, view or function still uses stops that.
#
# What this does not know how to do ends the build, rather than a user's update.

function fail(message)
{
	print "pgvector.awk: " message ":\n" statement > "/dev/stderr"
	failed = 1
	exit 1
}

# "name (a, b)" -> "name(a,b)"
function compact(s)
{
	gsub(/[ \t\n]*\([ \t\n]*/, "(", s)
	gsub(/[ \t\n]*,[ \t\n]*/, ",", s)
	gsub(/[ \t\n]*\)/, ")", s)
	gsub(/^[ \t\n]+|[ \t\n]+$/, "", s)
	return s
}

# What follows PROPERTY = in a statement or =PROPERTY of the catalog
function value(s, property)
{
	if (!match(s, "(^|[ \t\n,(])" property "[ \t\n]*=[ \t\n]*"))
		return ""
	s = substr(s, RSTART + RLENGTH)
	sub(/([ \t]*[\n,);]| (commutator|negator|restrict|join|align|category|storage)=).*/, "", s)
	return s
}

function known(kind, name)
{
	if (!((kind, name) in catalog))
		return 0
	seen[kind, name] = 1
	return 1
}

function change(s)
{
	changes[++changed] = s
}

function drop(s)
{
	drops[++dropped] = s
}

# The function, aggregate or procedure that a statement creates, as DROP names it
function signature(s)
{
	sub(/^CREATE (FUNCTION|AGGREGATE|PROCEDURE) /, "", s)
	# up to the parenthesis that closes the arguments, without defaults and the
	# columns that it returns
	s = substr(s, 1, closing(s))
	return s
}

function closing(s,	i, depth, c)
{
	for (i = 1; i <= length(s); i++)
	{
		c = substr(s, i, 1)
		depth += (c == "(") - (c == ")")
		if (c == ")" && depth == 0)
			return i
	}
	fail("no closing parenthesis")
}

function drop_arguments(s)
{
	gsub(/ DEFAULT [^,)]*/, "", s)
	return s
}

function on_function(kind,	name)
{
	name = signature(statement)
	if (known("function", compact(name)))
	{
		sub(/^CREATE /, "CREATE OR REPLACE ", statement)
		if (back)
		{
			sub(/ COST [0-9.]+/, "", statement)
			sub(/[ \t\n]+SUPPORT [a-z0-9_]+/, "", statement)
		}
		change(statement)
		return
	}
	if (!back)
		change(statement)
	# a type's input and output functions go with it
	else if (shell == "" || statement !~ ("[( ,]" shell "[,)\n]"))
		drop("DROP " kind " " drop_arguments(name) ";")
}

function on_type(	name)
{
	name = statement
	sub(/^CREATE TYPE /, "", name)
	sub(/[ ;(].*/, "", name)
	shell = statement ~ /^CREATE TYPE [a-z0-9_]+;$/ ? name : ""
	if (!known("type", name))
	{
		if (!back)
			change(statement)
		else if (statement ~ /^CREATE TYPE [a-z0-9_]+ \(/)
			drop(drop_type(name))
		else if (statement ~ / AS \(/)
			drop("DROP TYPE " name ";")
		return
	}
	if (statement !~ /^CREATE TYPE [a-z0-9_]+ \(/)
		return
	if (back)
		change("ALTER TYPE " name " SET (ANALYZE = NONE, STORAGE = " (value(catalog["type", name], "storage") == "x" ? "extended" : "external") ");")
	else
		change("ALTER TYPE " name " SET (ANALYZE = " value(statement, "ANALYZE") ", STORAGE = " value(statement, "STORAGE") ");")
}

# A type goes only with its functions, which need it as it needs them. Nothing
# else of the extension uses it by then; what a user has must not go.
function drop_type(name)
{
	return "DO $$\n" \
		"DECLARE\n\tobject text;\n" \
		"BEGIN\n" \
		"\tSELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) INTO object\n" \
		"\tFROM pg_catalog.pg_depend d JOIN pg_catalog.pg_type t ON t.oid = '" name "'::pg_catalog.regtype\n" \
		"\tWHERE d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (t.oid, t.typarray) AND d.deptype = 'n'\n" \
		"\t\tAND (d.classid <> 'pg_catalog.pg_proc'::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend m\n" \
		"\t\t\tWHERE m.classid = d.classid AND m.objid = d.objid AND m.deptype = 'e'))\n" \
		"\tLIMIT 1;\n" \
		"\tIF FOUND THEN\n" \
		"\t\tRAISE EXCEPTION 'pgvector " to " has no type " name ", but % depends on it', object\n" \
		"\t\t\tUSING ERRCODE = 'dependent_objects_still_exist';\n" \
		"\tEND IF;\n" \
		"END $$;\n\n" \
		"DROP TYPE " name " CASCADE;"
}

function on_cast(	name, context)
{
	if (!match(statement, /\([^()]*( AS )[^()]*\)/) && !match(statement, /\(.*\)/))
		fail("what does this cast?")
	name = substr(statement, RSTART + 1, RLENGTH - 2)
	sub(/ AS /, " -> ", name)
	context = statement ~ / AS IMPLICIT;$/ ? "i" : statement ~ / AS ASSIGNMENT;$/ ? "a" : "e"
	if (known("cast", name))
	{
		if (catalog["cast", name] != "context=" context)
			fail("pgvector's cast is another one")
		return
	}
	if (back)
	{
		sub(/ -> /, " AS ", name)
		drop("DROP CAST (" name ");")
	}
	else
		change(statement)
}

function on_operator(	op, left, right, name, types, theirs, ours, i, of, set)
{
	op = statement
	sub(/^CREATE OPERATOR /, "", op)
	sub(/ .*/, "", op)
	sub(/\n.*/, "", op)
	left = value(statement, "LEFTARG")
	right = value(statement, "RIGHTARG")
	name = op "(" left "," right ")"
	types = op " (" left ", " right ")"
	if (!known("operator", name))
	{
		if (back)
			drop("DROP OPERATOR " types ";")
		else
			change(statement)
		return
	}
	theirs = catalog["operator", name]

	# estimates
	set = ""
	for (i = 1; i <= 2; i++)
	{
		of = estimators[i]
		ours = value(statement, toupper(of))
		if (ours == "")
			ours = "-"
		if (ours != value(theirs, of))
			set = set (set == "" ? "" : ", ") toupper(of) " = " (back ? value(theirs, of) : ours)
	}
	gsub(/= -/, "= NONE", set)
	if (set != "")
		change("ALTER OPERATOR " types " SET (" set ");")

	# ALTER OPERATOR does the rest from PostgreSQL 17 on only
	set = ""
	ours = value(statement, "COMMUTATOR") == "" ? "-" : "own"
	if (ours == "-" && value(theirs, "commutator") != "-")
		set = "oprcom = " (back ? "oid" : "0")
	else if ((ours == "-") != (value(theirs, "commutator") == "-"))
		fail("pgvector's operator has another commutator")
	if (statement ~ /HASHES/)
		set = set (set == "" ? "" : ", ") "oprcanhash = " (back ? "false" : "true") ", oprcanmerge = " (back ? "false" : "true")
	if (set != "")
		change("UPDATE pg_catalog.pg_operator SET " set "\n\tWHERE oid = '" types "'::pg_catalog.regoperator;")
}

# The members of an operator class: "OPERATOR 2 <-> (a, b)", ...
function members(s, array,	i, c, depth, n, item)
{
	sub(/;$/, "", s)
	sub(/^.* AS[ \t\n]/, "", s)
	s = s ","
	for (i = 1; i <= length(s); i++)
	{
		c = substr(s, i, 1)
		depth += (c == "(") - (c == ")")
		if (c == "," && depth == 0)
		{
			gsub(/^[ \t\n]+|[ \t\n]+$/, "", item)
			array[++n] = item
			item = ""
		}
		else
			item = item c
	}
	return n
}

function on_operator_class(	name, am, i, n, item, word, theirs, added)
{
	name = statement
	sub(/^CREATE OPERATOR CLASS /, "", name)
	sub(/[ \t\n].*/, "", name)
	am = statement
	sub(/^.* USING /, "", am)
	sub(/[ \t\n].*/, "", am)
	if (!known("opclass", am " " name))
	{
		if (!back)
			change(statement)
		else if (statement !~ / FAMILY [a-z0-9_]+ AS/)
			drop("DROP OPERATOR FAMILY " name " USING " am ";")
		return
	}
	# An operator that pgvector's class does not have goes with itself.
	if (back)
		return
	theirs = catalog["opclass", am " " name]
	n = members(statement, item)
	added = ""
	for (i = 1; i <= n; i++)
	{
		split(item[i], word, " ")
		if (word[1] == "OPERATOR" && theirs !~ ("@" word[2] "( |,|$)"))
			added = added (added == "" ? "" : ", ") item[i]
		else if (word[1] == "FUNCTION" && theirs !~ ("[= ]" word[2] "="))
			fail("pgvector's operator class lacks a function")
	}
	if (added != "")
		change("ALTER OPERATOR FAMILY " name " USING " am " ADD " added ";")
}

function on_statement(	name)
{
	if (statement ~ /^CREATE FUNCTION /)
		on_function("FUNCTION")
	else if (statement ~ /^CREATE AGGREGATE /)
		on_function("AGGREGATE")
	else if (statement ~ /^CREATE PROCEDURE /)
		on_function("PROCEDURE")
	else if (statement ~ /^CREATE TYPE /)
		on_type()
	else if (statement ~ /^CREATE CAST /)
		on_cast()
	else if (statement ~ /^CREATE OPERATOR CLASS /)
		on_operator_class()
	else if (statement ~ /^CREATE OPERATOR FAMILY /)
	{
		if (!back)
			change(statement)
		else
		{
			name = statement
			sub(/^CREATE /, "", name)
			drop("DROP " name)
		}
	}
	else if (statement ~ /^ALTER OPERATOR FAMILY /)
	{
		if (!back)
			change(statement)
	}
	else if (statement ~ /^CREATE OPERATOR /)
		on_operator()
	else if (statement ~ /^CREATE ACCESS METHOD /)
	{
		name = statement
		sub(/^CREATE ACCESS METHOD /, "", name)
		sub(/[ \t\n].*/, "", name)
		if (known("access method", name))
			return
		if (back)
			drop("DROP ACCESS METHOD " name ";")
		else
			change(statement)
	}
	else if (statement ~ /^CREATE VIEW /)
	{
		name = statement
		sub(/^CREATE VIEW /, "", name)
		sub(/[ (].*/, "", name)
		if (back)
			drop("DROP VIEW " name ";")
		else
			change(statement)
	}
	else if (statement ~ /^(GRANT|REVOKE) /)
	{
		if (!back)
			change(statement)
	}
	else if (statement ~ /^COMMENT ON ACCESS METHOD (hnsw|ivfflat) /)
	{
		# pgvector's are the same
	}
	else if (statement ~ /^COMMENT ON /)
	{
		if (!back)
			change(statement)
	}
	else
		fail("a statement that " (back ? "the way back" : "an update from pgvector") " does not know")
}

# Is version a newer than b?
function newer(a, b,	i, x, y)
{
	split(a, x, ".")
	split(b, y, ".")
	for (i = 1; i <= 3; i++)
		if (x[i] + 0 != y[i] + 0)
			return x[i] + 0 > y[i] + 0
	return 0
}

BEGIN {
	release = back ? to : from
	estimators[1] = "restrict"
	estimators[2] = "join"
}

# The catalog
FNR == NR {
	split($0, field, "\t")
	if (!newer(field[1], release) && !newer(release, field[2]))
		catalog[field[3], field[4]] = field[5]
	next
}

# The install script: a statement ends with the line that ends with a semicolon,
# outside of a function's body.
/^(--|\\)/ && statement == "" {
	next
}

{
	if (statement == "" && $0 ~ /^[ \t]*$/)
		next
	statement = statement (statement == "" ? "" : "\n") $0
	quotes += gsub(/\$\$/, "&")
	if (quotes % 2 == 0 && $0 ~ /;$/ && (statement !~ /\nBEGIN ATOMIC\n/ || $0 == "END;"))
	{
		on_statement()
		statement = ""
	}
}

END {
	if (failed)
		exit 1
	statement = ""
	for (key in catalog)
		if (!(key in seen))
		{
			split(key, field, SUBSEP)
			fail("pgvector's " field[1] " " field[2] " is not in the install script")
		}
	if (back)
	{
		print "-- vector " from " back to pgvector " to
		print "--"
		print "-- Made by sql/pgvector.awk. Drops what pgvector does not have, which fails if"
		print "-- it is in use: then nothing has changed."
	}
	else
	{
		print "-- pgvector " from " to vector " to
		print "--"
		print "-- Made by sql/pgvector.awk from pgvector's catalog and the install script."
	}
	print ""
	print "-- complain if script is sourced in psql, rather than via ALTER EXTENSION"
	print "\\echo Use \"ALTER EXTENSION vector UPDATE TO '" to "'\" to load this file. \\quit"
	for (i = 1; i <= changed; i++)
		print "\n" changes[i]
	for (i = dropped; i >= 1; i--)
		print "\n" drops[i]
	print "\nCOMMENT ON EXTENSION vector IS '" comment "';"
}
