-- A page's description, for search engines and previews: how its first paragraph begins (else its heading), as plain text.
-- The home page has the book's own, from _quarto.yml.  Under Quarto this filter stands there, too; press runs it when it reads.
local LONGEST = 200 -- characters

local function plain(math)
  local tex = math.text:gsub("\\[dt]?frac%s*{([^{}]*)}%s*{([^{}]*)}", "%1/%2"):gsub("\\sqrt%s*{([^{}]*)}", "√{%1}")
  local inline = pandoc.Plain({pandoc.Math("InlineMath", tex)})
  local text = pandoc.write(pandoc.Pandoc({inline}), "plain", {wrap_text = "none"})
  text = text:gsub("_%(([^()]*)%)", "%1"):gsub("%^%(([^()]*)%)", "^%1"):gsub("(%w)=", "%1 =")
  return pandoc.Str((text:gsub("[\n_\\${}]", "")))
end

local function shortened(text)
  if pandoc.text.len(text) <= LONGEST then return text end
  local head = pandoc.text.sub(text, 1, LONGEST)
  local sentence = head:match("^(.*%l%l[.!?]) ")
  return sentence and #sentence > LONGEST / 3 and sentence or head:gsub("[%s,;:]+%S*$", "") .. " …"
end

-- Without what it refers to, a sentence would have a hole: "In, see."
local function refers(inlines)
  local found = false
  pandoc.Span(inlines):walk({
    Cite = function(cite)
      for _, one in ipairs(cite.citations) do
        found = found or one.mode == "AuthorInText" or one.id:match("^%l%l%l?%-") ~= nil -- @sec-one, in brackets too
      end
    end,
  })
  return found
end

-- The sentences of a paragraph that stand on their own.
local function standing(inlines)
  local kept, sentence = pandoc.Inlines({}), pandoc.Inlines({})
  for index, inline in ipairs(inlines) do
    sentence:insert(inline)
    local ends = pandoc.utils.stringify(inline):match("[.!?][\"”’)]*$") and inline.t ~= "Math"
    local after = inlines[index + 1]
    if not after or ends and (after.t == "Space" or after.t == "SoftBreak") then
      if not refers(sentence) then kept:extend(sentence) end
      sentence = pandoc.Inlines({})
    end
  end
  return kept
end

local function described(block)
  local words = pandoc.Plain(block.t == "Para" and standing(block.content) or block.content):walk({
    Math = plain,
    Note = function() return {} end,
    Cite = function() return {} end,
    Quoted = function(quoted)
      local marks = quoted.quotetype == "DoubleQuote" and {"“", "”"} or {"‘", "’"}
      return pandoc.List({pandoc.Str(marks[1])}) .. quoted.content .. {pandoc.Str(marks[2])}
    end,
    RawInline = function() return {} end,
  })
  local thin, unbroken = "\xe2\x80[\x80-\x8a\xaf]", "\u{a0}" -- spaces too
  local text = pandoc.utils.stringify(words):gsub(thin, " "):gsub(unbroken, " ")
  return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""):gsub(" ([.,;:])", "%1"))
end

function Pandoc(doc)
  local reading = FORMAT:match("html") or FORMAT == "json"
  if not reading or quarto and pandoc.path.filename(quarto.doc.input_file) == "index.qmd" then return nil end
  local blocks = doc.blocks:filter(function(block) return block.t == "Para" end)
  blocks:extend(doc.blocks:filter(function(block) return block.t == "Header" end))
  if doc.meta.title then blocks:insert(pandoc.Plain(pandoc.utils.stringify(doc.meta.title))) end -- where Quarto has put the heading
  for _, block in ipairs(blocks) do
    local text = described(block)
    if text ~= "" then
      doc.meta["description-meta"] = pandoc.MetaString(shortened(text))
      return doc
    end
  end
end
