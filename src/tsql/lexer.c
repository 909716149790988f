/* lexer.c - see lexer_int.h */
#include "lexer_int.h"
#include <string.h>
#include "tsql/parse.h"
#include "tsql_keyword_table.h" /* generated: keywords, keyword_slots, keyword_displacement */
#include "base/banned.h"

enum class {
    C_BAD,
    C_SPACE,
    C_NEWLINE,
    C_LETTER, /* from here to C_DOLLAR: what may stand within a name */
    C_DIGIT,
    C_AT,
    C_DOLLAR,
    C_WIDE, /* lead bytes that may begin a blank or a currency sign, else a letter */
    C_QUOTE,
    C_DQUOTE,
    C_BRACKET,
    C_DOT,
    C_MINUS,
    C_SLASH,
    C_OPERATOR, /* may be followed by = or doubled */
    C_SINGLE,
    C_COUNT
};

#define L C_LETTER
#define S C_SPACE
#define D C_DIGIT
#define O C_OPERATOR
#define X C_SINGLE
#define W C_WIDE
static const uint8_t class_of[256] = {
    /* clang-format off */
    S, S, S, S, S, S, S, S, S, S, C_NEWLINE, S, S, S, S, S,
    S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
    S, O, C_DQUOTE, L, C_DOLLAR, O, O, C_QUOTE, X, X, O, O, X, C_MINUS, C_DOT, C_SLASH,
    D, D, D, D, D, D, D, D, D, D, O, X, O, X, O, X,
    C_AT, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, C_BRACKET, C_BAD, C_BAD, O, L,
    C_BAD, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, X, O, X, X, S,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, W, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    W, W, W, W, L, L, L, L, L, L, L, L, L, L, L, W,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    /* clang-format on */
};
#undef L
#undef S
#undef D
#undef O
#undef X
#undef W

static const struct {
    char first, second;
    uint16_t kind;
} pairs[] = {
    /* clang-format off */
    {'<', '=', TOK_LE},     {'<', '>', TOK_NE},     {'>', '=', TOK_GE},     {'!', '=', TOK_NE},
    {'!', '<', TOK_NOT_LT}, {'!', '>', TOK_NOT_GT}, {'+', '=', TOK_ADD_EQ}, {'-', '=', TOK_SUB_EQ},
    {'*', '=', TOK_MUL_EQ}, {'/', '=', TOK_DIV_EQ}, {'%', '=', TOK_MOD_EQ}, {'&', '=', TOK_AND_EQ},
    {'|', '=', TOK_OR_EQ},  {'^', '=', TOK_XOR_EQ}, {'|', '|', TOK_CONCAT}, {':', ':', TOK_COLONS},
    {'<', '<', TOK_SHIFT_LEFT}, {'>', '>', TOK_SHIFT_RIGHT},
    /* clang-format on */
};

void qri_lexer_init(struct qri_lexer *lex, const char *text, uint32_t size)
{
    *lex = (struct qri_lexer){.text = text, .size = size, .line = 1};
}

static uint8_t byte_at(const struct qri_lexer *lex, uint32_t at)
{
    return (uint8_t)lex->text[at]; /* text[size] is the NUL */
}

/* Bytes of the blank outside ASCII that begins here, 0 if none: no-break space, the spaces from
 * U+2000 to U+200B, ideographic space, byte order mark. */
static uint32_t wide_blank(const struct qri_lexer *lex, uint32_t at)
{
    const uint8_t *p = (const uint8_t *)lex->text + at;
    if (p[0] == 0xC2)
        return p[1] == 0xA0 ? 2 : 0;
    if (at + 2 >= lex->size)
        return 0;
    if (p[0] == 0xE2)
        return p[1] == 0x80 && p[2] <= 0x8B ? 3 : 0;
    if (p[0] == 0xE3)
        return p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
    return p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF ? 3 : 0;
}

/* The currency signs of the documented list other than $, in UTF-8: first to last. */
static const char currency[][2][4] = {
    {"\u00A2", "\u00A5"}, {"\u09F2", "\u09F3"}, {"\u0E3F", "\u0E3F"}, {"\u17DB", "\u17DB"},
    {"\u20A0", "\u20B1"}, {"\uFDFC", "\uFDFC"}, {"\uFE69", "\uFE69"}, {"\uFF04", "\uFF04"},
    {"\uFFE0", "\uFFE1"}, {"\uFFE5", "\uFFE6"},
};

/* Bytes of the currency sign that begins here, 0 if none. */
static uint32_t wide_currency(const struct qri_lexer *lex, uint32_t at)
{
    for (size_t i = 0; i < sizeof currency / sizeof currency[0]; i++) {
        uint32_t n = (uint32_t)strlen(currency[i][0]);
        if (at + n <= lex->size && memcmp(lex->text + at, currency[i][0], n) >= 0 &&
            memcmp(lex->text + at, currency[i][1], n) <= 0)
            return n;
    }
    return 0;
}

/* Comments nest. False if the text ends within. */
static bool skip_comment(struct qri_lexer *lex)
{
    uint32_t depth = 1;
    lex->at += 2;
    while (lex->at < lex->size) {
        uint8_t c = byte_at(lex, lex->at), d = byte_at(lex, lex->at + 1);
        if (c == '*' && d == '/') {
            lex->at += 2;
            if (--depth == 0)
                return true;
        } else if (c == '/' && d == '*') {
            depth++;
            lex->at += 2;
        } else {
            lex->line += c == '\n';
            lex->at++;
        }
    }
    return false;
}

/* To the next token; false if a comment does not end. */
static bool skip_blanks(struct qri_lexer *lex)
{
    while (lex->at < lex->size) {
        uint8_t c = byte_at(lex, lex->at), d = byte_at(lex, lex->at + 1);
        uint8_t class = class_of[c];
        if (class == C_SPACE) {
            lex->at++;
        } else if (class == C_NEWLINE) {
            lex->at++;
            lex->line++;
        } else if (class == C_MINUS && d == '-') {
            const char *end = memchr(lex->text + lex->at, '\n', lex->size - lex->at);
            lex->at = end == NULL ? lex->size : (uint32_t)(end - lex->text);
        } else if (class == C_SLASH && d == '*') {
            if (!skip_comment(lex))
                return false;
        } else if (class == C_WIDE && wide_blank(lex, lex->at) != 0) {
            lex->at += wide_blank(lex, lex->at);
        } else {
            return true;
        }
    }
    return true;
}

#define HASH_SEED 0x811C9DC5u
#define HASH_PRIME 0x01000193u
#define FOLD 0xDF

/* Letters of names differ from other bytes of names in more than case, so folding all is safe. */
static uint32_t hash_byte(uint32_t hash, uint8_t c)
{
    return (hash ^ (c & FOLD)) * HASH_PRIME;
}

static enum qri_keyword find_hashed(const char *word, size_t bytes, uint32_t hash,
                                    bool *ret_reserved)
{
    hash ^= hash >> 15;
    uint32_t mixed = (hash ^ keyword_displacement[hash % KW_BUCKETS]) * 0x9E3779B1u >> 16;
    unsigned keyword = keyword_slots[mixed % KW_SLOTS];
    if (keyword == 0 || keywords[keyword].bytes != bytes)
        return KW_NONE;
    const char *name = keywords[keyword].name;
    for (size_t i = 0; i < bytes; i++) {
        if (((word[i] ^ name[i]) & FOLD) != 0)
            return KW_NONE;
    }
    *ret_reserved = keywords[keyword].reserved;
    return (enum qri_keyword)keyword;
}

enum qri_keyword qri_keyword_find(const char *word, size_t bytes, bool *ret_reserved)
{
    uint32_t hash = HASH_SEED;
    for (size_t i = 0; i < bytes; i++)
        hash = hash_byte(hash, (uint8_t)word[i]);
    return find_hashed(word, bytes, hash, ret_reserved);
}

const char *qri_keyword_name(enum qri_keyword keyword)
{
    return keywords[keyword].name;
}

static bool is_name_byte(const struct qri_lexer *lex, uint32_t at)
{
    uint8_t class = class_of[byte_at(lex, at)];
    return (class >= C_LETTER && class <= C_DOLLAR) ||
           (class == C_WIDE && wide_blank(lex, at) == 0);
}

static bool too_long(const char *p, size_t bytes)
{
    if (bytes <= QR_TSQL_NAME_CHARS_MAX)
        return false;
    size_t units = 0;
    for (size_t i = 0; i < bytes; i++)
        units += ((uint8_t)p[i] & 0xC0) != 0x80 ? ((uint8_t)p[i] >= 0xF0 ? 2 : 1) : 0;
    return units > QR_TSQL_NAME_CHARS_MAX;
}

static void scan_name_bytes(struct qri_lexer *lex)
{
    while (is_name_byte(lex, lex->at))
        lex->at++;
}

static void scan_quoted(struct qri_lexer *lex, struct qri_token *tok, char end, uint16_t kind);

static void scan_word(struct qri_lexer *lex, struct qri_token *tok)
{
    if ((byte_at(lex, lex->at) | 32) == 'n' && byte_at(lex, lex->at + 1) == '\'') {
        lex->at++;
        scan_quoted(lex, tok, '\'', TOK_NSTRING);
        return;
    }
    uint32_t hash = HASH_SEED;
    do {
        hash = hash_byte(hash, byte_at(lex, lex->at));
        lex->at++;
    } while (is_name_byte(lex, lex->at));
    const char *word = lex->text + tok->begin;
    size_t bytes = lex->at - tok->begin;
    tok->kind = TOK_IDENT;
    tok->keyword = (uint16_t)find_hashed(word, bytes, hash, &tok->reserved);
    if (tok->keyword == KW_NONE && too_long(word, bytes))
        tok->kind = TOK_LONG_NAME;
}

static void scan_at(struct qri_lexer *lex, struct qri_token *tok)
{
    bool global = byte_at(lex, lex->at + 1) == '@';
    lex->at += global ? 2 : 1;
    scan_name_bytes(lex);
    tok->kind = global ? TOK_GLOBAL : TOK_VARIABLE;
    if (too_long(lex->text + tok->begin, lex->at - tok->begin))
        tok->kind = TOK_LONG_NAME;
}

/* At the opening quote (of a string maybe behind its N). */
static void scan_quoted(struct qri_lexer *lex, struct qri_token *tok, char end, uint16_t kind)
{
    uint32_t at = lex->at + 1;
    for (;; at++) {
        uint8_t c = byte_at(lex, at);
        if (c == (uint8_t)end) {
            if (byte_at(lex, at + 1) != (uint8_t)end || at + 1 >= lex->size)
                break;
            tok->escaped = true;
            at++;
        } else if (c == '\n') {
            lex->line++;
            if (kind >= TOK_STRING && byte_at(lex, at - 1) == '\\')
                tok->escaped = true;
            else if (kind >= TOK_STRING && byte_at(lex, at - 1) == '\r' &&
                     byte_at(lex, at - 2) == '\\')
                tok->escaped = true;
        } else if (c == 0 && at >= lex->size) {
            lex->at = lex->size;
            tok->kind = TOK_OPEN_STRING;
            return;
        }
    }
    lex->at = at + 1;
    tok->kind = kind;
    if (kind == TOK_STRING || kind == TOK_NSTRING || kind == TOK_DQUOTE)
        tok->ordinal = lex->ordinal++;
    else if (too_long(lex->text + tok->begin + 1, lex->at - tok->begin - 2))
        tok->kind = TOK_LONG_NAME;
}

static void scan_string(struct qri_lexer *lex, struct qri_token *tok)
{
    scan_quoted(lex, tok, '\'', TOK_STRING);
}
static void scan_dquote(struct qri_lexer *lex, struct qri_token *tok)
{
    scan_quoted(lex, tok, '"', TOK_DQUOTE);
}
static void scan_bracket(struct qri_lexer *lex, struct qri_token *tok)
{
    scan_quoted(lex, tok, ']', TOK_BRACKET);
}

static void scan_digits(struct qri_lexer *lex)
{
    while (class_of[byte_at(lex, lex->at)] == C_DIGIT)
        lex->at++;
}

/* Digits, point, digits, exponent: as far as they go. */
static void scan_number(struct qri_lexer *lex, struct qri_token *tok)
{
    tok->ordinal = lex->ordinal++;
    if (byte_at(lex, lex->at) == '0' && (byte_at(lex, lex->at + 1) | 32) == 'x') {
        lex->at += 2;
        for (uint8_t c = byte_at(lex, lex->at);
             (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
             c = byte_at(lex, lex->at))
            lex->at++;
        tok->kind = TOK_BINARY;
        return;
    }
    tok->kind = TOK_INT;
    scan_digits(lex);
    if (byte_at(lex, lex->at) == '.') {
        tok->kind = TOK_NUMERIC;
        lex->at++;
        scan_digits(lex);
    }
    if ((byte_at(lex, lex->at) | 32) != 'e')
        return;
    tok->kind = TOK_FLOAT; /* "1e" alone is a float too */
    lex->at++;
    uint8_t sign = byte_at(lex, lex->at);
    if (sign == '+' || sign == '-') /* and so is "1e+" */
        lex->at++;
    scan_digits(lex);
}

static void scan_single(struct qri_lexer *lex, struct qri_token *tok)
{
    tok->kind = byte_at(lex, lex->at++);
}

static void scan_dot(struct qri_lexer *lex, struct qri_token *tok)
{
    if (class_of[byte_at(lex, lex->at + 1)] == C_DIGIT)
        scan_number(lex, tok);
    else
        scan_single(lex, tok);
}

static void scan_money(struct qri_lexer *lex, struct qri_token *tok, uint32_t sign_bytes)
{
    tok->kind = TOK_MONEY;
    tok->ordinal = lex->ordinal++;
    lex->at += sign_bytes;
    if (byte_at(lex, lex->at) == '-' && class_of[byte_at(lex, lex->at + 1)] == C_DIGIT)
        lex->at++;
    scan_digits(lex);
    if (byte_at(lex, lex->at) == '.') {
        lex->at++;
        scan_digits(lex);
    }
}

static void scan_dollar(struct qri_lexer *lex, struct qri_token *tok)
{
    if (class_of[byte_at(lex, lex->at + 1)] != C_LETTER) {
        scan_money(lex, tok, 1);
        return;
    }
    tok->kind = TOK_PSEUDO;
    scan_name_bytes(lex);
}

static void scan_wide(struct qri_lexer *lex, struct qri_token *tok)
{
    uint32_t sign_bytes = wide_currency(lex, lex->at);
    if (sign_bytes != 0)
        scan_money(lex, tok, sign_bytes);
    else
        scan_word(lex, tok);
}

static void scan_operator(struct qri_lexer *lex, struct qri_token *tok)
{
    uint8_t c = byte_at(lex, lex->at), d = byte_at(lex, lex->at + 1);
    if (class_of[d] == C_OPERATOR || d == '=') {
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
            if (pairs[i].first == (char)c && pairs[i].second == (char)d) {
                tok->kind = pairs[i].kind;
                lex->at += 2;
                return;
            }
        }
    }
    scan_single(lex, tok);
}

static void scan_bad(struct qri_lexer *lex, struct qri_token *tok)
{
    lex->at++;
    tok->kind = TOK_BAD;
}

static void (*const scanners[C_COUNT])(struct qri_lexer *, struct qri_token *) = {
    /* clang-format off */
    [C_BAD] = scan_bad,         [C_SPACE] = scan_bad,       [C_NEWLINE] = scan_bad,
    [C_LETTER] = scan_word,     [C_WIDE] = scan_wide,       [C_DIGIT] = scan_number,
    [C_QUOTE] = scan_string,    [C_DQUOTE] = scan_dquote,   [C_BRACKET] = scan_bracket,
    [C_AT] = scan_at,           [C_DOLLAR] = scan_dollar,   [C_DOT] = scan_dot,
    [C_MINUS] = scan_operator,  [C_SLASH] = scan_operator,  [C_OPERATOR] = scan_operator,
    [C_SINGLE] = scan_single,
    /* clang-format on */
};

void qri_lexer_next(struct qri_lexer *lex, struct qri_token *ret_token)
{
    uint32_t line = lex->line, begin = lex->at;
    bool ended = skip_blanks(lex);
    *ret_token = (struct qri_token){.begin = lex->at, .line = lex->line};
    if (!ended) {
        *ret_token = (struct qri_token){.kind = TOK_OPEN_COMMENT, .begin = begin, .line = line};
        lex->at = lex->size;
    } else if (lex->at < lex->size) {
        scanners[class_of[byte_at(lex, lex->at)]](lex, ret_token);
    }
    ret_token->end = lex->at;
}

/* Copies the inside of a quoted token, making doubled quotes single and joining continued lines. */
static struct qr_str unescape(struct qr_arena *arena, const char *p, size_t n, char quote,
                              bool is_string)
{
    char *out = qr_arena_alloc(arena, n + 1);
    size_t used = 0;
    for (size_t i = 0; out != NULL && i < n; i++) {
        if (is_string && p[i] == '\\' && i + 1 < n && p[i + 1] == '\n') {
            i += 1;
        } else if (is_string && p[i] == '\\' && i + 2 < n && p[i + 1] == '\r' && p[i + 2] == '\n') {
            i += 2;
        } else {
            out[used++] = p[i];
            i += p[i] == quote;
        }
    }
    return qr_str_n(out, used);
}

struct qr_str qri_token_text(const struct qri_lexer *lex, const struct qri_token *token,
                             struct qr_arena *arena)
{
    const char *p = lex->text + token->begin;
    size_t n = token->end - token->begin, skip = 0;
    switch ((int)token->kind) {
    case TOK_NSTRING:
        p++;
        n--; /* and on, to what stands between the quotes */
        __attribute__((fallthrough));
    case TOK_STRING:
    case TOK_DQUOTE:
    case TOK_BRACKET:
        if (token->escaped)
            return unescape(arena, p + 1, n - 2, token->kind == TOK_BRACKET ? ']' : *p,
                            token->kind != TOK_BRACKET);
        return qr_str_n(p + 1, n - 2);
    case TOK_BINARY:
        return qr_str_n(p + 2, n - 2);
    case TOK_MONEY:
        skip = *p == '$' ? 1 : (uint8_t)*p < 0xE0 ? 2 : 3;
        return qr_str_n(p + skip, n - skip);
    default:
        return qr_str_n(p, n);
    }
}
