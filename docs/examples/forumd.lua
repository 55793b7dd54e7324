-- Shows forumd's protocol in Wireshark and tshark:
--
--     tshark -i lo -f 'tcp port 12345' -X lua_script:docs/examples/forumd.lua -O forumd
--     wireshark -X lua_script:docs/examples/forumd.lua
--
-- Port 12345 is taken for forumd's; of others say "Decode As… FORUMD", or -d tcp.port==4000,forumd. TLS has to be
-- decrypted first: give Wireshark the file that SSLKEYLOGFILE named when the client ran. The text door is no frames,
-- and is left to "Follow TCP Stream". docs/TRACE.md shows what it looks like.

-- from the code
local KINDS = {
    [0x01] = { "ClientHello", "version u16", "client str", "presence bool" },
    [0x02] = { "Ping", "payload rest" },
    [0x03] = { "Active" },
    [0x04] = { "LogIn", "name str", "udp_port u16", "take_over u16?", "session u64?" },
    [0x05] = { "Password", "password str" },
    [0x06] = { "SignUp", "password str", "confirmation str" },
    [0x07] = { "EndOtherSession", "yes bool" },
    [0x10] = { "ChangePassword", "old str", "new str", "confirmation str" },
    [0x11] = { "LogOut" },
    [0x12] = { "ShutDown", "password str" },
    [0x20] = { "CreateThread", "title str", "key key?" },
    [0x21] = { "Post", "title str", "text str", "key key?" },
    [0x22] = { "DeletePost", "title str", "number u32", "id u64?", "key key?" },
    [0x23] = { "EditPost", "title str", "number u32", "text str", "id u64?", "key key?" },
    [0x24] = { "ListThreads", "after u64?", "at_most u32?", "unread bool?" },
    [0x25] = { "ReadThread", "title str", "range range?", "after u64?", "at_most u32?", "last u32?", "unread bool?" },
    [0x26] = { "Upload", "title str", "file str", "size u64", "key key?" },
    [0x27] = { "Download", "title str", "file str", "offset u64?", "digest digest?" },
    [0x28] = { "RemoveThread", "title str", "key key?" },
    [0x29] = { "MarkRead", "title str", "up_to u64", "from u64?" },
    [0x2a] = { "ListUnread", "after u64?", "at_most u32?" },
    [0x2b] = { "Watch", "title str", "key key?" },
    [0x2c] = { "Unwatch", "title str", "key key?" },
    [0x2d] = { "Search", "words str", "title str?", "after u64?", "at_most u32?" },
    [0x30] = { "SendMessage", "user str", "text str", "key key?" },
    [0x31] = { "SendBroadcast", "text str" },
    [0x32] = { "WhoElse", "after u64?", "at_most u32?" },
    [0x33] = { "WhoElseSince", "seconds u64", "after u64?", "at_most u32?" },
    [0x34] = { "Block", "user str", "key key?" },
    [0x35] = { "Unblock", "user str", "key key?" },
    [0x36] = { "AckMessages", "up_to u64" },
    [0x37] = { "SetPresence", "on bool" },
    [0x38] = { "PostToBoard", "text str", "key key?" },
    [0x39] = { "ListActive", "after u64?", "at_most u32?" },
    [0x3a] = { "CreateRoom", "users str", "key key?" },
    [0x3b] = { "PostToRoom", "room u32", "text str", "key key?" },
    [0x3c] = { "ReadBoard", "later_than_ms time?", "after u64?", "at_most u32?", "from u32?" },
    [0x3d] = { "ReadRooms", "later_than_ms time?", "after u64?", "at_most u32?", "room u32?", "from u32?" },
    [0x3e] = { "ListRooms", "after u64?", "at_most u32?" },
    [0x50] = { "AskPrivate", "user str", "enabled bool" },
    [0x51] = { "OfferFile", "user str", "size u64", "file str" },
    [0x52] = { "AnswerQuestion", "link u64", "yes bool" },
    [0x53] = { "LinkListening", "link u64", "port u16" },
    [0x54] = { "LinkReached", "link u64" },
    [0x55] = { "EndLink", "link u64", "stopped bool" },
    [0x56] = { "RelaySealed", "link u64", "ciphertext bytes" },
    [0x57] = { "RelayDatagram", "link u64", "datagram rest" },
    [0x40] = { "Data", "piece rest" },
    [0x41] = { "Credit", "bytes u32" },
    [0x42] = { "DataEnd", "digest digest?" },
    [0x43] = { "Abort" },
    [0x70] = { "Handshake", "message bytes" },
    [0x71] = { "Sealed", "ciphertext bytes" },
    [0x72] = { "PrivateText", "text str" },
    [0x73] = { "Bye" },
    [0x74] = { "Ready" },
    [0x80] = { "ServerHello", "version u16", "server str", "features str", "limits limits", "zone str", "now_ms time", "servers str?" },
    [0x81] = { "Pong", "payload rest" },
    [0x82] = { "PasswordWanted", "known bool" },
    [0x83] = { "Welcome", "session u64", "since_ms time", "text str" },
    [0x84] = { "Done", "at_ms time", "text str" },
    [0x85] = { "Refused", "code u16", "limit u16?", "value u64?", "name str?", "text str" },
    [0x86] = { "UploadStarts", "credit u32" },
    [0x87] = { "DownloadStarts", "size u64", "digest digest", "offset u64" },
    [0x88] = { "EndOfList", "next u64?" },
    [0x89] = { "ThreadCreated", "thread u64", "at_ms time", "text str" },
    [0x8a] = { "Posted", "number u32", "id u64", "at_ms time", "text str" },
    [0x8b] = { "RoomCreated", "room u32", "at_ms time", "text str" },
    [0x8c] = { "Uploaded", "id u64", "at_ms time", "digest digest", "text str" },
    [0x8d] = { "Asked", "link u64", "text str" },
    [0x8e] = { "TakeOverWanted", "since_ms time", "address str" },
    [0x90] = { "ThreadItem", "thread u64", "title str", "creator str", "posts u32", "uploads u32", "last_author str?", "last_at_ms time?", "unread u32?" },
    [0x91] = { "PostItem", "number u32", "id u64", "at_ms time", "author str", "text str" },
    [0x92] = { "UploadItem", "id u64", "at_ms time", "author str", "file str", "size u64" },
    [0x93] = { "UserItem", "name str", "left_ms time?" },
    [0x94] = { "ActiveUserItem", "name str", "address str", "udp_port u16", "since_ms time" },
    [0x95] = { "BoardItem", "number u32", "at_ms time", "author str", "text str" },
    [0x96] = { "RoomItem", "room u32", "number u32", "at_ms time", "author str", "text str" },
    [0x97] = { "UnreadItem", "title str", "count u32", "last_author str" },
    [0x98] = { "SearchItem", "title str", "number u32", "id u64", "at_ms time", "author str", "text str" },
    [0x99] = { "RoomSummaryItem", "room u32", "posts u32", "users str" },
    [0xc0] = { "Closing", "code u16", "text str" },
    [0xc1] = { "LoggedIn", "name str" },
    [0xc2] = { "LoggedOut", "name str" },
    [0xc3] = { "Message", "number u64", "late bool", "at_ms time", "from str", "text str" },
    [0xc4] = { "Broadcast", "at_ms time", "from str", "text str" },
    [0xc5] = { "BoardPost", "number u32", "at_ms time", "author str", "text str" },
    [0xc6] = { "RoomPost", "room u32", "number u32", "at_ms time", "author str", "text str" },
    [0xc7] = { "PutInRoom", "room u32", "by str", "users str" },
    [0xc8] = { "Probe" },
    [0xc9] = { "ThreadPost", "title str", "number u32", "id u64", "at_ms time", "author str", "text str" },
    [0xd0] = { "PrivateQuestion", "link u64", "from str" },
    [0xd1] = { "FileQuestion", "link u64", "from str", "size u64", "file str" },
    [0xd2] = { "QuestionWithdrawn", "link u64" },
    [0xd3] = { "QuestionDeclined", "link u64" },
    [0xd4] = { "PrepareLink", "link u64", "token key" },
    [0xd5] = { "LinkIntroduction", "link u64", "token key", "address str", "port u16" },
    [0xd6] = { "LinkEstablished", "link u64", "relayed bool" },
    [0xd7] = { "LinkEnded", "link u64", "stopped bool" },
    [0xd8] = { "RelayedSealed", "link u64", "ciphertext bytes" },
    [0xd9] = { "RelayedDatagram", "link u64", "datagram rest" },
}
local REFUSALS = {
    [1] = "InvalidName",
    [2] = "InvalidText",
    [3] = "InvalidPasswordFormat",
    [4] = "InvalidNumber",
    [5] = "InvalidTimestamp",
    [6] = "PasswordsDiffer",
    [7] = "InvalidPassword",
    [8] = "BlockedNow",
    [9] = "Blocked",
    [10] = "AlreadyLoggedIn",
    [11] = "NameTaken",
    [12] = "Busy",
    [13] = "SlowDown",
    [14] = "NoSpace",
    [15] = "LimitReached",
    [16] = "IncorrectAdminPassword",
    [17] = "TooManyAttempts",
    [18] = "KeyReused",
    [19] = "Unknown",
    [20] = "ThreadExists",
    [21] = "NoSuchThread",
    [22] = "InvalidMessageNumber",
    [23] = "NotYourMessage",
    [24] = "NotYourThread",
    [25] = "FileExists",
    [26] = "NoSuchFile",
    [27] = "RemovedDuringDownload",
    [28] = "DigestDiffers",
    [29] = "TransferAborted",
    [30] = "MessageMoved",
    [31] = "AlreadyWatching",
    [32] = "NotWatching",
    [33] = "Away",
    [40] = "InvalidUser",
    [41] = "NotToSelf",
    [42] = "BlockedByUser",
    [43] = "NotToAll",
    [44] = "MailboxFull",
    [45] = "AlreadyBlocked",
    [46] = "NotBlocked",
    [47] = "Offline",
    [48] = "RoomExists",
    [49] = "NoSuchRoom",
    [50] = "NotInRoom",
    [51] = "AlreadyPrivate",
    [52] = "NotPrivate",
    [53] = "PeerTooSlow",
    [54] = "SignUpClosed",
    [55] = "Banned",
}
local CLOSINGS = {
    [1] = "EndOfInput",
    [2] = "ShuttingDown",
    [3] = "LoginTimedOut",
    [4] = "Idle",
    [5] = "TooSlow",
    [6] = "ServerFull",
    [7] = "ProtocolError",
    [8] = "LoggedInElsewhere",
    [9] = "Disconnected",
    [10] = "TlsRequired",
}
-- end

local forumd = Proto("forumd", "forumd's protocol")

local HEADER_BYTES, FRAME_BYTES_MAX = 9, 65536

local names = {}
for kind, row in pairs(KINDS) do
    names[kind] = row[1]
end

local length = ProtoField.uint32("forumd.length", "Length of the rest")
local kind = ProtoField.uint8("forumd.kind", "Kind", base.HEX, names)
local tag = ProtoField.uint32("forumd.tag", "Tag")
-- What display filters are for: forumd.field contains "yoda"
local value = ProtoField.string("forumd.field", "Field")
forumd.fields = { length, kind, tag, value }
local cut = ProtoExpert.new("forumd.cut", "Cut off", expert.group.MALFORMED, expert.severity.ERROR)
forumd.experts = { cut }

-- Each returns how many bytes of `body` the value has from `at` on, and the value as text; nothing if it is cut off.
local READ = {}

local function bytes_left(body, at)
    return body:len() - at
end

local function number(bytes)
    return function(body, at)
        if bytes_left(body, at) < bytes then
            return nil
        end
        local range = body(at, bytes)
        return bytes, bytes == 8 and tostring(range:uint64()) or tostring(range:uint())
    end
end

local function hexadecimal(bytes)
    return function(body, at)
        if bytes_left(body, at) < bytes then
            return nil
        end
        return bytes, tostring(body(at, bytes):bytes())
    end
end

local function sized(show)
    return function(body, at)
        if bytes_left(body, at) < 2 then
            return nil
        end
        local bytes = body(at, 2):uint()
        if bytes_left(body, at + 2) < bytes then
            return nil
        end
        return 2 + bytes, bytes == 0 and "" or show(body(at + 2, bytes))
    end
end

local u8, u16, u32, u64 = number(1), number(2), number(4), number(8)
local key, digest = hexadecimal(16), hexadecimal(32)
local str = sized(function(range) return range:string(ENC_UTF_8) end)
local bytes = sized(function(range) return tostring(range:bytes()) end)

function READ.u8(body, at) return u8(body, at) end
function READ.u16(body, at) return u16(body, at) end
function READ.u32(body, at) return u32(body, at) end
function READ.u64(body, at) return u64(body, at) end
function READ.key(body, at) return key(body, at) end
function READ.digest(body, at) return digest(body, at) end
function READ.str(body, at) return str(body, at) end
function READ.bytes(body, at) return bytes(body, at) end

function READ.bool(body, at)
    if bytes_left(body, at) < 1 then
        return nil
    end
    return 1, body(at, 1):uint() == 1 and "true" or "false"
end

function READ.time(body, at)
    if bytes_left(body, at) < 8 then
        return nil
    end
    local ms = body(at, 8):uint64():tonumber()
    return 8, os.date("!%Y-%m-%dT%H:%M:%S", math.floor(ms / 1000)) .. string.format(".%03dZ", ms % 1000)
end

function READ.range(body, at)
    if bytes_left(body, at) < 8 then
        return nil
    end
    return 8, body(at, 4):uint() .. "-" .. body(at + 4, 4):uint()
end

function READ.limits(body, at)
    if bytes_left(body, at) < 2 then
        return nil
    end
    local count = body(at, 2):uint()
    if bytes_left(body, at + 2) < 10 * count then
        return nil
    end
    return 2 + 10 * count, count .. " limits"
end

function READ.rest(body, at)
    return bytes_left(body, at), bytes_left(body, at) .. " bytes"
end

-- The names of codes, where a field is one.
local function named(message, field, shown)
    local codes = { Refused = REFUSALS, Closing = CLOSINGS }
    local name = field == "code" and codes[message] and codes[message][tonumber(shown)]
    return name and shown .. " (" .. name .. ")" or shown
end

-- Passwords are shown as they are on the wire: who sees the bytes can read them anyway.
local function dissect_body(row, body, tree)
    local at, summary = 0, row[1]
    for index = 2, #row do
        local name, type, optional = row[index]:match("^(%S+) (%w+)(%??)$")
        local start, present = at, true
        if optional == "?" then
            -- What a body ends before is absent.
            present = bytes_left(body, at) > 0 and body(at, 1):uint() == 1
            at = math.min(at + 1, body:len())
        end
        if present then
            local used, shown = READ[type](body, at)
            if not used then
                tree:add_proto_expert_info(cut, "The body ends inside " .. name)
                return summary
            end
            shown = named(row[1], name, shown)
            tree:add(value, body(start, at + used - start), shown):set_text(name .. ": " .. shown)
            if used > 0 and type ~= "rest" then
                summary = summary .. " " .. name .. "=" .. shown
            end
            at = at + used
        end
    end
    return summary
end

local function dissect_frame(frame, pinfo, root)
    local tree = root:add(forumd, frame())
    tree:add(length, frame(0, 4))
    tree:add(kind, frame(4, 1))
    tree:add(tag, frame(5, 4))
    local row = KINDS[frame(4, 1):uint()] or { "Unknown" }
    local body = frame(HEADER_BYTES):tvb()
    local summary = frame:len() > HEADER_BYTES and dissect_body(row, body, tree) or row[1]
    tree:set_text("forumd, tag " .. frame(5, 4):uint() .. ": " .. summary)
    pinfo.cols.info:append(" " .. summary)
    return frame:len()
end

local function frame_length(buffer, _, offset)
    return 4 + buffer(offset, 4):uint()
end

function forumd.dissector(buffer, pinfo, root)
    -- The first byte of a frame is 0; 0x16 is TLS, and anything else is text.
    if buffer(0, 1):uint() ~= 0 then
        return 0
    end
    if buffer:len() >= 4 and frame_length(buffer, pinfo, 0) > FRAME_BYTES_MAX then
        return 0
    end
    pinfo.cols.protocol = "FORUMD"
    pinfo.cols.info = ""
    dissect_tcp_pdus(buffer, root, 4, frame_length, dissect_frame)
    return buffer:len()
end

DissectorTable.get("tcp.port"):add(12345, forumd)
