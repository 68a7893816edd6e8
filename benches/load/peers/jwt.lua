-- JWT for nginx: HS256 and RS256 by the OpenSSL that nginx itself is linked with, through LuaJIT's FFI.
-- Signature, issuer, audience and expiry are looked at for each request; nothing is remembered.
local ffi, cjson, base64 = require("ffi"), require("cjson.safe"), require("ngx.base64")
local C = ffi.C
ffi.cdef [[
typedef struct evp_md_st EVP_MD; typedef struct evp_md_ctx_st EVP_MD_CTX; typedef struct evp_pkey_st EVP_PKEY;
typedef struct bio_st BIO; typedef struct engine_st ENGINE; typedef struct evp_pkey_ctx_st EVP_PKEY_CTX;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *out, unsigned int *len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
BIO *BIO_new_mem_buf(const void *buf, int len);
int BIO_free(BIO *bio);
EVP_PKEY *PEM_read_bio_PUBKEY(BIO *bp, EVP_PKEY **x, void *cb, void *u);
EVP_MD_CTX *EVP_MD_CTX_new(void);
int EVP_MD_CTX_reset(EVP_MD_CTX *ctx);
int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, EVP_PKEY_CTX **pctx, const EVP_MD *type, ENGINE *e, EVP_PKEY *pkey);
int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen, const unsigned char *tbs, size_t tbslen);
]]

local M, secret, key = {}, nil, nil
local sha256, context = C.EVP_sha256(), C.EVP_MD_CTX_new()
local digest, length = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")

-- Reads the keys once, before the first request.
function M.keys(shared, path)
    secret = shared
    local file = assert(io.open(path))
    local pem = file:read("*a")
    file:close()
    local bio = C.BIO_new_mem_buf(pem, #pem)
    key = C.PEM_read_bio_PUBKEY(bio, nil, nil, nil)
    C.BIO_free(bio)
    assert(key ~= nil, "no public key")
    return M
end

local verify = {
    HS256 = function(signed, signature)
        C.HMAC(sha256, secret, #secret, signed, #signed, digest, length)
        return #signature == 32 and C.CRYPTO_memcmp(digest, signature, 32) == 0
    end,
    RS256 = function(signed, signature)
        C.EVP_MD_CTX_reset(context)
        return C.EVP_DigestVerifyInit(context, nil, sha256, nil, key) == 1
            and C.EVP_DigestVerify(context, signature, #signature, signed, #signed) == 1
    end,
}

local function claims(algorithm)
    local field = ngx.var.http_authorization
    if not field or field:sub(1, 7) ~= "Bearer " then return end
    local first = field:find(".", 8, true)
    local second = first and field:find(".", first + 1, true)
    if not second then return end
    local head = cjson.decode(base64.decode_base64url(field:sub(8, first - 1)) or "")
    local signature = base64.decode_base64url(field:sub(second + 1))
    if not head or head.alg ~= algorithm or not signature then return end
    if not verify[algorithm](field:sub(8, second - 1), signature) then return end
    local said = cjson.decode(base64.decode_base64url(field:sub(first + 1, second - 1)) or "")
    if said and said.iss == "https://issuer.example.test/" and said.aud == "chat.example.test"
        and type(said.exp) == "number" and said.exp > ngx.time() then
        return said
    end
end

-- Answers 401, or lets the request pass with the caller's identity.
function M.check(algorithm)
    if ngx.req.get_method() == "OPTIONS" then return ngx.exit(204) end
    local said = claims(algorithm)
    if not said then return ngx.exit(401) end
    ngx.var.user, ngx.var.tenant, ngx.var.roles = said.sub, said.org_id, table.concat(said.roles or {}, ",")
end

return M
