# Assemble an extension script from sql/parts/*.sql, given in order.
#
#   awk -v to=VERSION [-v from=VERSION] -f assemble.awk PART...
#
# Without from, the result installs version `to`; with it, the result updates
# version `from` to it. Lines that begin with --@ direct the assembly:
#
#   --@for NAME | NAME ...	the lines up to the matching --@end, once for each
#   --@in VALUE | VALUE ...	row that follows, with {NAME} replaced; values may
#				hold {NAME} of the same row and of outer loops
#   --@in@1.1.0 VALUE ...	the same: a row that this version has added
#   --@since 1.1.0		what this version has added, up to --@end: all that
#				an update from an older version takes over
#   --@change 1.1.0		in such an update only, up to --@end: what alters an
#				object that the older version has
#   --@#			a remark on the template, which no script keeps
#
# Each object is so written once, at the place it belongs to by its subject, and
# a script and its update cannot say different things about it.

function fail(n, message)
{
	printf "%s: %s\n", place[n], message > "/dev/stderr"
	failed = 1
	exit 1
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

# Innermost names first, whose values may hold outer ones.
function substitute(s,	i, at, name, out)
{
	for (i = names; i >= 1; i--)
	{
		name = "{" names_of[i] "}"
		out = ""
		while ((at = index(s, name)) > 0)
		{
			out = out substr(s, 1, at - 1) value_of[i]
			s = substr(s, at + length(name))
		}
		s = out s
	}
	return s
}

function fields(s, array,	i, n)
{
	sub(/^[ \t]+/, "", s)
	n = split(s, array, /[ \t]*\|[ \t]*/)
	if (s == "")
	{
		array[1] = ""
		n = 1
	}
	for (i = 1; i <= n; i++)
		gsub(/^[ \t]+|[ \t]+$/, "", array[i])
	return n
}

# The line with the --@end of the block that begins at line n.
function end_of(n,	i, depth)
{
	for (i = n; i <= lines; i++)
		if (line[i] ~ /^--@(for|since|change) /)
			depth++
		else if (line[i] ~ /^--@end$/ && --depth == 0)
			return i
	fail(n, "no --@end")
}

function emit(s,	blank)
{
	blank = s ~ /^[ \t]*$/
	if (blank && was_blank)
		return
	was_blank = blank
	print s
}

# The lines lo to hi; shown says whether they belong to the script.
function expand(lo, hi, shown,	i, last, version)
{
	for (i = lo; i <= hi; i++)
	{
		if (line[i] ~ /^--@#/)
			continue
		if (line[i] !~ /^--@/)
		{
			if (shown)
				emit(substitute(line[i]))
			continue
		}
		last = end_of(i)
		version = line[i]
		sub(/^--@[a-z]+ /, "", version)
		if (line[i] ~ /^--@for /)
			repeat(i, last, shown)
		else if (line[i] ~ /^--@since /)
			expand(i + 1, last - 1, from == "" ? shown : shown || newer(version, from))
		else if (line[i] ~ /^--@change /)
			expand(i + 1, last - 1, from != "" && newer(version, from))
		else
			fail(i, "what is " line[i] "?")
		i = last
	}
}

function repeat(lo, hi, shown,	first, body, i, j, n, k, head, row, version, show_row)
{
	n = fields(substr(line[lo], 8), head)
	for (body = lo + 1; line[body] ~ /^--@in[@ ]|^--@in$/; body++)
		;
	first = names
	for (i = lo + 1; i < body; i++)
	{
		version = ""
		if (match(line[i], /^--@in@[0-9.]+/))
			version = substr(line[i], 7, RLENGTH - 6)
		k = line[i]
		sub(/^--@in(@[0-9.]+)?/, "", k)
		delete row
		if (fields(k, row) != n)
			fail(i, "this row does not have " n " values")
		for (j = 1; j <= n; j++)
		{
			names_of[first + j] = head[j]
			value_of[first + j] = row[j]
		}
		names = first + n
		show_row = shown
		if (version != "" && from != "")
			show_row = shown || newer(version, from)
		expand(body, hi - 1, show_row)
		names = first
	}
}

{
	line[++lines] = $0
	place[lines] = FILENAME ":" FNR
}

END {
	if (failed)
		exit 1
	if (from == "")
		print "-- vector " to ": types, distances, operators, operator classes and access methods"
	else
		print "-- vector " from " to " to
	print "--"
	print "-- Assembled from sql/parts by sql/assemble.awk; changes belong there."
	print ""
	print "-- complain if script is sourced in psql, rather than via " (from == "" ? "CREATE" : "ALTER") " EXTENSION"
	if (from == "")
		print "\\echo Use \"CREATE EXTENSION vector\" to load this file. \\quit"
	else
		print "\\echo Use \"ALTER EXTENSION vector UPDATE TO '" to "'\" to load this file. \\quit"
	print ""
	was_blank = 1
	expand(1, lines, from == "")
}
