/** Every bound of the flow language and of message content. Lengths are in UTF-16 code units. */

// Message content: the narrowest of the five providers (Meta's Cloud API reference, "Interactive messages").
export const TEXT_LENGTH_MAX = 4_096
export const INBOUND_TEXT_LENGTH_MAX = 65_536
export const CAPTION_LENGTH_MAX = 1_024
export const URL_LENGTH_MAX = 2_048
export const MEDIA_ID_LENGTH_MAX = 512
export const MIME_TYPE_LENGTH_MAX = 128
export const FILENAME_LENGTH_MAX = 240
export const BUTTONS_TEXT_LENGTH_MAX = 1_024
export const BUTTONS_MAX = 3
export const BUTTON_TITLE_LENGTH_MAX = 20
export const BUTTON_ID_LENGTH_MAX = 256
export const LIST_BUTTON_LENGTH_MAX = 20
export const LIST_SECTIONS_MAX = 10
export const LIST_ROWS_MAX = 10
export const SECTION_TITLE_LENGTH_MAX = 24
export const ROW_ID_LENGTH_MAX = 200
export const ROW_TITLE_LENGTH_MAX = 24
export const ROW_DESCRIPTION_LENGTH_MAX = 72
export const PLACE_LENGTH_MAX = 1_000
export const CONTACTS_MAX = 10
export const CONTACT_PHONES_MAX = 10
export const CONTACT_NAME_LENGTH_MAX = 256
export const PHONE_LENGTH_MAX = 32
export const TEMPLATE_NAME_LENGTH_MAX = 512
export const LANGUAGE_LENGTH_MAX = 20
export const TEMPLATE_PARAMETERS_MAX = 30
export const TEMPLATE_PARAMETER_LENGTH_MAX = 1_024
export const MESSAGE_ID_LENGTH_MAX = 512
export const EMOJI_LENGTH_MAX = 32
export const REASON_LENGTH_MAX = 500
export const SUMMARY_LENGTH_MAX = 200
/** Of an advertisement's headline and body. */
export const REFERRAL_TEXT_LENGTH_MAX = 1_024
export const REFERRAL_ID_LENGTH_MAX = 512

// Flow documents.
export const NAME_LENGTH_MAX = 100
export const ID_LENGTH_MAX = 64
export const STEPS_MAX = 200
/** JSON of a flow that is checked: what checking it at each keystroke costs. */
export const DOCUMENT_JSON_LENGTH_MAX = 262_144
export const TRIGGERS_MAX = 20
export const GOALS_MAX = 20
export const KEYWORDS_MAX = 50
export const KEYWORD_LENGTH_MAX = 100
/** Buttons, or advertisements, of one trigger. */
export const TRIGGER_IDS_MAX = 50
export const CASES_MAX = 20
export const EXPRESSION_LENGTH_MAX = 2_000
/** `{{` in one flow document: parsing them is what checking and compiling it costs. */
export const TEMPLATES_MAX = 2_000
export const TEMPLATE_LENGTH_MAX = 8_192
export const INPUT_JSON_LENGTH_MAX = 16_384
export const NOTE_LENGTH_MAX = 1_000
export const RETRY_LIMIT_DEFAULT = 3
export const RETRY_LIMIT_MAX = 20
export const DURATION_MS_MAX = 30 * 86_400_000
export const WAIT_MS_MIN = 60_000
export const WAIT_MS_MAX = DURATION_MS_MAX
/** How long a flow may wait without a word to who writes meanwhile, before the checker warns of it. */
export const SILENT_WAIT_MS_MAX = 3_600_000
export const FINDINGS_MAX = 100

// Running.
/** How long after a customer's message anything may be sent, and not only templates (Meta, "Conversation windows"). */
export const WINDOW_MS = 86_400_000
export const STEPS_PER_CALL_MAX = 200
export const FLOW_DEPTH_MAX = 8
/** Calls of actions that one turn may make; more are refused, so that no flow can keep a turn busy for ever. */
export const ACTIONS_PER_TURN_MAX = 20
/** JSON of one variable, and of one action's input. */
export const VALUE_JSON_LENGTH_MAX = 65_536
/** JSON of what an action's error says in figures. */
export const ERROR_JSON_LENGTH_MAX = 8_192
/** JSON of all variables of a run. */
export const VARIABLES_JSON_LENGTH_MAX = 262_144
export const JSON_DEPTH_MAX = 32
/** Cost units that the expressions of one call may spend together; see `meter.ts` for what costs how much. */
export const EXPRESSION_COST_MAX = 200_000
/** Characters that a search in a text compares for one cost unit. */
export const COMPARISONS_PER_UNIT = 256
/** What `join` and `duration` take in an expression. */
export const LITERAL_LENGTH_MAX = 64
/** What an expression pays for a formatter that is not at hand, and for a built-in that makes one each time. */
export const FORMAT_COST = 500
/** How long `padLeft` makes a text. */
export const PADDED_LENGTH_MAX = 4_096

// Time.
/** Time zones whose clocks are kept at hand, and for each the quarters of days whose offset is known. */
export const ZONES_MAX = 64
export const OFFSETS_MAX = 256
/** How many days ahead the next opening of a business is looked for. */
export const OPENING_DAYS_MAX = 60
/** A message longer than this is none of the words that work anywhere: those have at most 100 characters. */
export const WORD_MESSAGE_LENGTH_MAX = 150

// Answers.
/** The longest text that is read as an amount of money, a date or a time. */
export const ANSWER_WORDS_LENGTH_MAX = 100
/** The digits of an amount, those of its cents among them: what a double holds exactly. */
export const AMOUNT_DIGITS_MAX = 15
/** Formatters of money, dates and numbers that are kept, of each kind. */
export const FORMATS_MAX = 64
