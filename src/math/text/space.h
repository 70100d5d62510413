/*
 * space.h
 *	  What counts as white space in the text forms.
 *
 * These are isspace's characters in the C locale, spelled out so that no
 * locale can change what a dump means.
 */
#ifndef VECTOR_MATH_SPACE_H
#define VECTOR_MATH_SPACE_H

static inline int
text_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The first character at or behind p that is no white space; at most the
 * terminating '\0', which is none.
 */
static inline const char *
text_skip_space(const char *p)
{
	/* One comparison where there is no space, which is most of the time */
	while ((unsigned char) *p <= ' ' && text_is_space(*p))
		p++;
	return p;
}

#endif							/* VECTOR_MATH_SPACE_H */
