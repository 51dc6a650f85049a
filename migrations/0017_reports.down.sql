drop table report_mails;
drop table reports;
