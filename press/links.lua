-- Links in what is one file and travels alone, a PDF or an EPUB: to another chapter they are cross-references, to a file of
-- the book the absolute address that it has on the site once _quarto.yml says `site-url`, else words that say its path: in a
-- table the path alone, and nothing where a span of the class to-files says that the chapters have it.
-- Under Quarto this filter stands in _quarto.yml; press runs it where it writes the PDF.
if FORMAT:match("html") or FORMAT == "json" then return {} end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Quarto joins the chapters into one document, with a comment before each that says where it came from.
local function origin(raw)
  local code = raw.format == "html" and raw.text:match("^<!%-%- quarto%-file%-metadata: ([^ ]+) %-%->$")
  if not code then return nil end
  local bits = code:gsub("[^%w%+/]", ""):gsub(".", function(letter)
    local value, digits = alphabet:find(letter, 1, true) - 1, ""
    for place = 5, 0, -1 do digits = digits .. (value >> place & 1) end
    return digits
  end)
  return pandoc.json.decode((bits:gsub("%d%d?%d?%d?%d?%d?%d?%d?", function(byte)
    return #byte == 8 and string.char(tonumber(byte, 2)) or ""
  end)), false)
end

local function normal(folder, path)
  local parts = {}
  for part in (path:sub(1, 1) == "/" and path or folder .. "/" .. path):gmatch("[^/]+") do
    if part == ".." then table.remove(parts) elseif part ~= "." then table.insert(parts, part) end
  end
  return table.concat(parts, "/")
end

local function site_url()
  local file = io.open((quarto and quarto.project.directory or ".") .. "/_quarto.yml")
  if not file then return nil end
  local book = pandoc.read("---\n" .. file:read("a") .. "\n---\n").meta.book
  file:close()
  return book and book["site-url"] and pandoc.utils.stringify(book["site-url"]):gsub("/*$", "/")
end

-- The words with the path in place of the file's name, or after them.
local function with_path(words, path)
  local code, name, put = pandoc.Code(path), path:match("[^/]+$"), false
  local function in_its_place(inline)
    if put or inline.text ~= name then return nil end
    put = true
    return code
  end
  local whole = pandoc.Span(words):walk({Str = in_its_place, Code = in_its_place}).content
  return put and whole or whole .. {pandoc.Space(), pandoc.Str("("), code, pandoc.Str(")")}
end

function Pandoc(doc)
  local chapters, file, folder, site = {}, nil, ".", site_url()
  for _, block in ipairs(doc.blocks) do
    local found = block.t == "RawBlock" and origin(block)
    if found then file = found.bookItemFile end
    if block.t == "Header" and block.level == 1 and file and not chapters[file] then chapters[file] = "#" .. block.identifier end
  end
  local function resolved(link, in_table)
    if link.target:match("^%a[%w+.-]*:") or link.target:match("^//") or link.target:match("^#") then return nil end
    local path, place = link.target:match("^([^#]*)(.*)$")
    path = normal(folder, path)
    local named = path:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
    if chapters[named] then
      link.target = place ~= "" and place or chapters[named]
    elseif named:match("%.qmd$") then
      return nil
    elseif site then
      link.target = site .. path .. place
    elseif in_table then
      return pandoc.Code(named) -- columns are narrow
    else
      return with_path(link.content, named)
    end
    return link
  end
  local function without_files(span)
    if span.classes:includes("to-files") and not site then return {}, false end
  end
  return doc:walk({
    traverse = "topdown",
    RawInline = function(raw)
      local found = origin(raw)
      if found then folder = found.resourceDir or "." end
    end,
    Table = function(grid)
      return grid:walk({Span = without_files, Link = function(link) return resolved(link, true) end}), false
    end,
    Span = without_files,
    Link = function(link) return resolved(link, link.classes:includes("in-table")) end, -- press has no Table left by now
  })
end
